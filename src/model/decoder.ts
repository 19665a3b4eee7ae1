import * as tf from '@tensorflow/tfjs-core';
import { tidied } from '../tensor/tidied';
import { softCap } from './attention';
import { behindAttention, throughLastAttention } from './blocks';
import type { Cache } from './cache';
import { type AdapterRun, type LayerRun, startingAt } from './lora';
import type { DecoderConfig, Weights } from './model';
import { multiply } from './multiply';
import { addAndNormalize } from './norm';
import { joined, placesSideBySide, rowsSideBySide } from './sideBySide';
import { rowsOf, timesTable } from './table';

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
  /** The cache has places to spare (compiledStep.ts), to which the one token of every row is written: which places it sees. */
  room?: RoomPlaces;
  /**
   * [N] int32, places in B*T: only these are wanted, which spares the last layer most of its work. Same numbers as
   * without, but for the adapter's dropout.
   */
  select?: tf.Tensor1D;
  /** Blocks keep nothing for the gradient, which computes them anew: without a cache only. The same numbers to float error. */
  recompute?: boolean;
}

/** Per kind of layer [B, 2] int32: the first place that a row's token sees, and its own. */
export interface RoomPlaces {
  full: tf.Tensor2D;
  windowed: tf.Tensor2D;
}

/** Rows of the embedding table. ids [B, T] int32 -> [B, T, D] */
export function embed(weights: Pick<Weights, 'embedding'>, ids: tf.Tensor2D): tf.Tensor3D {
  const [batch, length] = ids.shape;
  const places = tf.reshape(ids, [batch * length]) as tf.Tensor1D;
  return tf.reshape(rowsOf(weights.embedding, places), [batch, length, -1]) as tf.Tensor3D;
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
    const { cache, select } = input;
    const [batch, length, size] = input.embeddings.shape;
    const runs = (first: number) =>
      weights.layers.map(
        (own, layer): LayerRun => ({ config, layer, weights: own, adapter: startingAt(adapter, first) }),
      );
    const attended = rowsSideBySide(input).map(({ first, part }) =>
      throughLastAttention(runs(first * length), weights, part),
    );
    // Behind the last attention nobody looks at the other places any more.
    const wanted = select ? placesSideBySide(attended, select) : attended;
    let first = 0;
    const normed = wanted.map((part) => {
      const { x, added } = behindAttention(runs(first).at(-1) as LayerRun, part);
      first += x.shape[0];
      return addAndNormalize(config, x, added, weights.norm).normed;
    });
    const shape: [number, number, number] = select ? [1, select.shape[0], size] : [batch, length, size];
    const hidden = tf.reshape(joined(normed), shape) as tf.Tensor3D;
    const layers = attended[0]?.layers ?? [];
    return cache ? { hidden, cache: { layers, length: cache.length + length } } : { hidden };
  });
}

/** hidden [N, D] -> [N, V] */
export function logits(config: DecoderConfig, weights: Weights, hidden: tf.Tensor2D): tf.Tensor2D {
  const { head, embedding } = weights;
  const scores = head ? multiply(hidden, head) : timesTable(hidden, embedding);
  return config.logitCap ? softCap(scores, config.logitCap) : scores;
}
