import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { checkpointed } from '../tensor/checkpointed';
import { tidied } from '../tensor/tidied';
import { type Attended, attention } from './attention';
import type { Cache } from './cache';
import type { DecoderInput } from './decoder';
import { feedForward } from './feedForward';
import { gatherRows } from './gatherRows';
import { type Adapter, factorsOf, type LayerRun, project, withFactors } from './lora';
import type { DecoderConfig, Weights } from './model';
import { addAndNormalize, normalize } from './norm';
import type { RopeRange } from './rope';
import { ropeOf, visibility } from './visibility';

/** What goes from block to block, [N, D]; `added`: what the last one gave, not yet added, since that and the next norm are one computation. */
interface Stream {
  x: tf.Tensor2D;
  added?: tf.Tensor2D;
}

/** A block half way: what came into it, and its attention's rows. From here on every place is computed by itself. */
export type HalfWay = { sum: tf.Tensor2D } & Pick<Attended, 'rows'>;

/** From the embeddings to the last block's attention, and the keys and values of every block where there is a cache. */
export function throughLastAttention(
  runs: readonly LayerRun[],
  weights: Weights,
  input: DecoderInput,
): HalfWay & Pick<Cache, 'layers'> {
  const { embeddings, cache } = input;
  const [batch, length, size] = embeddings.shape;
  const { config } = runs[0] as LayerRun;
  const past = cache?.length ?? 0;
  const seen = input.seen ?? past + length;
  const positions = input.positions ?? (past > 0 ? following(batch, length, past) : undefined);
  const byKind = [false, true].map((windowed) =>
    config.windowed.includes(windowed)
      ? { ...visibility(config, input, past, windowed), ...ropeOf(config, { length, seen, positions }, windowed) }
      : {},
  );
  type Kind = (typeof byKind)[number];
  const kindOf = (run: LayerRun): Kind => byKind[config.windowed[run.layer] ? 1 : 0] as Kind;
  const attend = (run: LayerRun, { x, added }: Stream, own = kindOf(run)) => {
    const { sum, normed } = addAndNormalize(config, x, added, run.weights.norms.beforeAttention);
    const common = { batch, past: cache?.layers[run.layer], keep: cache !== undefined };
    return { sum, ...attention(run, { x: normed, ...common, ...own }) };
  };
  const layers: Cache['layers'] = [];
  const grow = ({ k, v }: Pick<Attended, 'k' | 'v'>) => k && v && layers.push({ k, v });
  const begin = withPositions(config, weights, embeddings, { seen, positions });
  let stream: Stream = { x: tf.reshape(begin, [batch * length, size]) as tf.Tensor2D };
  const through = (run: LayerRun, from: Stream): Stream & Pick<Attended, 'k' | 'v'> => {
    const { k, v, ...halfWay } = attend(run, from);
    return { ...behindAttention(run, halfWay), k, v };
  };
  const throughAnew: typeof through = (run, { x }) => {
    const block = (rows: tf.Tensor2D, factors: Adapter['factors'], own: Kind) => {
      const next = withFactors(run, factors);
      const { x: sum, added } = behindAttention(next, attend(next, { x: rows }, own));
      return added ? (tf.add(sum, added) as tf.Tensor2D) : sum;
    };
    return { x: checkpointed(x, factorsOf(run), kindOf(run), block) };
  };
  for (const run of runs.slice(0, -1)) {
    const next = tidied(() => (input.recompute && !cache ? throughAnew : through)(run, stream));
    grow(next);
    stream = next;
  }
  const last = tidied(() => attend(runs.at(-1) as LayerRun, stream));
  grow(last);
  return { sum: last.sum, rows: last.rows, layers };
}

/** The rest of a block. */
export function behindAttention(run: LayerRun, { sum, rows }: HalfWay): Stream {
  const { config, weights } = run;
  const { norms } = weights;
  const attended = normalize(config, project(run, 'o', rows), norms.afterAttention);
  const middle = config.parallelResidual
    ? { sum: tf.add(sum, attended) as tf.Tensor2D, normed: normalize(config, sum, norms.beforeMlp) }
    : addAndNormalize(config, sum, attended, norms.beforeMlp);
  const fed = normalize(config, feedForward(run, middle.normed), norms.afterMlp);
  return { x: middle.sum, added: fed };
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
