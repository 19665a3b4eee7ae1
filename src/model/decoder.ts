import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { hasFused } from '../tensor/fused';
import { attention, causalMask, softCap } from './attention';
import type { Cache } from './cache';
import { constantsOf } from './constants';
import { feedForward } from './feedForward';
import { gatherRows } from './gatherRows';
import type { AdapterRun } from './lora';
import type { DecoderConfig, Weights } from './model';
import { addAndNormalize, normalize } from './norm';
import { compactRope, type RopeRange, ropeTables } from './rope';
import { tidied } from './tidied';

export interface DecoderInput {
  /** Unscaled rows, [B, T, D]. */
  embeddings: tf.Tensor3D;
  /** [B, T] int32; default: 0..T-1 after what the cache holds. */
  positions?: tf.Tensor2D;
  /** Tokens of the longest text, where it has more than what is computed here; default: those of cache and embeddings. */
  seen?: number;
  /** Added to the attention scores, [B, T, S]; default: causal. Rows padded on the right need no other. */
  mask?: tf.Tensor3D;
  /** [B, 2] int32, what `mask` says besides order, where that is holes alone: src/tensor/fused.ts. */
  holes?: tf.Tensor2D;
  /** What was seen before; emptyCache() to begin one. Left as it is. */
  cache?: Cache;
  /**
   * [N] int32, places in B*T: only these are wanted, which spares the last layer most of its work. Same numbers as
   * without, but for the adapter's dropout.
   */
  select?: tf.Tensor1D;
}

/** Rows of the embedding table. ids [B, T] int32 -> [B, T, D] */
export function embed(weights: Pick<Weights, 'embedding'>, ids: tf.Tensor2D): tf.Tensor3D {
  const [batch, length] = ids.shape;
  const rows = gatherRows(weights.embedding, tf.reshape(ids, [batch * length]) as tf.Tensor1D);
  return tf.reshape(rows, [batch, length, -1]) as tf.Tensor3D;
}

/**
 * The hidden states after the final norm, [B, T, D] (or [1, N, D] of the selected places), and the grown cache where one was given.
 * Differentiable throughout.
 * @throws Problem `tooLong` where positions are learned and the text is longer than they reach.
 */
export function decode(
  { config }: { config: DecoderConfig },
  weights: Weights,
  input: DecoderInput,
  adapter?: AdapterRun,
): { hidden: tf.Tensor3D; cache?: Cache } {
  return tidied(() => {
    const { embeddings, cache } = input;
    const [batch, length, size] = embeddings.shape;
    const past = cache?.length ?? 0;
    const seen = input.seen ?? past + length;
    const positions = input.positions ?? (past > 0 ? following(batch, length, past) : undefined);
    const byKind = [false, true].map((windowed) =>
      config.windowed.includes(windowed)
        ? { ...visibility(config, input, past, windowed), ...ropeOf(config, { length, seen, positions }, windowed) }
        : {},
    );
    const grown: Cache | undefined = cache && { layers: [], length: past + length };
    let x = tf.reshape(withPositions(config, weights, embeddings, { seen, positions }), [
      batch * length,
      size,
    ]) as tf.Tensor2D;
    // What the last block gave, not yet added to x: adding it and the next norm are one computation.
    let added: tf.Tensor2D | undefined;
    weights.layers.forEach((w, layer) => {
      // Behind the last layer's attention nobody looks at the other places any more.
      const select = layer === weights.layers.length - 1 ? input.select : undefined;
      const next = tidied(() => {
        const run = { config, layer, weights: w, adapter };
        const { norms } = w;
        const common = { batch, past: cache?.layers[layer], select, ...byKind[config.windowed[layer] ? 1 : 0] };
        const { sum, normed } = addAndNormalize(config, x, added, norms.beforeAttention);
        const { y, k, v } = attention(run, { ...common, x: normed });
        const base = select ? gatherRows(sum, select) : sum;
        const attended = normalize(config, y, norms.afterAttention);
        const middle = config.parallelResidual
          ? { sum: tf.add(base, attended) as tf.Tensor2D, normed: normalize(config, base, norms.beforeMlp) }
          : addAndNormalize(config, base, attended, norms.beforeMlp);
        const fed = normalize(config, feedForward(run, middle.normed), norms.afterMlp);
        return { x: middle.sum, added: fed, k: cache && k, v: cache && v };
      });
      x = next.x;
      added = next.added;
      if (grown && next.k && next.v) grown.layers.push({ k: next.k, v: next.v });
    });
    const shape: [number, number, number] = input.select ? [1, input.select.shape[0], size] : [batch, length, size];
    const hidden = tf.reshape(addAndNormalize(config, x, added, weights.norm).normed, shape) as tf.Tensor3D;
    return grown ? { hidden, cache: grown } : { hidden };
  });
}

/** hidden [N, D] -> [N, V] */
export function logits(config: DecoderConfig, weights: Weights, hidden: tf.Tensor2D): tf.Tensor2D {
  const scores: tf.Tensor2D = weights.head
    ? tf.matMul(hidden, weights.head)
    : tf.matMul(hidden, weights.embedding, false, true);
  return config.logitCap ? softCap(scores, config.logitCap) : scores;
}

/** What is added to the scores, [1 or B, 1, T, S]; none where every query sees every key. */
function maskOf(config: DecoderConfig, input: DecoderInput, past: number, windowed: boolean): tf.Tensor4D | undefined {
  const length = input.embeddings.shape[1];
  const seen = past + length;
  const window = windowed && config.window && config.window < seen ? config.window : undefined;
  const causal = length > 1 || window ? causalMask(config, length, past, window) : undefined;
  if (!input.mask) return causal;
  const given = tf.reshape(input.mask, [-1, 1, length, seen]) as tf.Tensor4D;
  // A row is one piece without gaps, so that distances of places are distances of positions. minimum: twice masked stays finite.
  return window && causal ? (tf.minimum(given, causal) as tf.Tensor4D) : given;
}

/** What limits what a query sees: a mask, or for the fused softmax the places alone. */
function visibility(config: DecoderConfig, input: DecoderInput, past: number, windowed: boolean) {
  if (!hasFused() || (input.mask && !input.holes)) return { mask: maskOf(config, input, past, windowed) };
  const [none] = constantsOf(config).get('no hole', () => [tf.tensor2d([0, 0], [1, 2], 'int32')]);
  const length = input.embeddings.shape[1];
  return {
    causal: { length, past, window: windowed ? (config.window ?? 0) : 0, holes: input.holes ?? (none as tf.Tensor2D) },
  };
}

function ropeOf(config: DecoderConfig, range: RopeRange, windowed: boolean) {
  const own = windowed ? config.windowRope : undefined;
  const rope = own ?? config.rope;
  const name = own ? 'window' : 'full';
  if (hasFused()) return { compact: compactRope(config, name, rope, range) };
  return { rope: rope && ropeTables(config, name, rope, range) };
}

/** Embeddings as the first layer takes them: scaled, or with learned positions added. */
function withPositions(
  config: DecoderConfig,
  weights: Weights,
  embeddings: tf.Tensor3D,
  { seen, positions }: Pick<RopeRange, 'seen' | 'positions'>,
): tf.Tensor3D {
  const [batch, length, size] = embeddings.shape;
  if (config.family.embedScale) return tf.mul(embeddings, Math.fround(Math.sqrt(size)));
  if (!weights.positions) return embeddings;
  if (seen > config.maxPositions)
    throw new Problem('tooLong', `a text has ${seen} tokens, the model has positions for ${config.maxPositions}.`);
  if (!positions) return tf.add(embeddings, tf.slice(weights.positions, [0, 0], [length, size]));
  const rows = gatherRows(weights.positions, tf.reshape(positions, [batch * length]) as tf.Tensor1D);
  return tf.add(embeddings, tf.reshape(rows, [batch, length, size]) as tf.Tensor3D);
}

function following(batch: number, length: number, past: number): tf.Tensor2D {
  const values = Int32Array.from({ length: batch * length }, (_, i) => past + (i % length));
  return tf.tensor2d(values, [batch, length], 'int32');
}
