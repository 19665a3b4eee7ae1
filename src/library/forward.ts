import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { logProbsOfTargets } from '../attack/forward';
import { Problem } from '../base/problem';
import { type Batch, packRows } from '../data/batch';
import { decode, embed, logits } from '../model/decoder';
import type { Adapter } from '../model/lora';
import type { Model } from '../model/model';
import { checkIds, checkRows, type Row } from './checkRows';

export interface PassOptions {
  adapter?: Adapter;
  /** Per row: added to its embeddings, in unscaled rows of the table; flat [T, D], or [fewer, D] for the first tokens. */
  deltas?: readonly (Float32Array | undefined)[];
}

/** Logits of every token: per row flat [T, V]. @throws Problem `row` */
export async function computeLogits(
  model: Model,
  rows: readonly (readonly number[])[],
  { adapter, deltas }: PassOptions = {},
): Promise<Float32Array[]> {
  checkIds(rows, model.config);
  const length = Math.max(...rows.map((ids) => ids.length));
  const all = tf.tidy(() => {
    const padded = rows.flatMap((ids) => [...ids, ...new Array<number>(length - ids.length).fill(0)]);
    const ids = tf.tensor2d(padded, [rows.length, length], 'int32');
    const embeddings = withDeltas(model, ids, rows, deltas);
    const { hidden } = decode(model, model.weights, { embeddings }, adapter && { adapter });
    return logits(model.config, model.weights, tf.reshape(hidden, [rows.length * length, -1]));
  });
  const values = (await all.data()) as Float32Array;
  all.dispose();
  const { vocabularySize } = model.config;
  return rows.map((ids, b) => values.slice(b * length * vocabularySize, (b * length + ids.length) * vocabularySize));
}

export interface TargetLosses {
  /** Token-mean cross-entropy over all targets of all rows, in nats. */
  loss: number;
  /** The same per row. */
  rowLosses: number[];
  /** log p of each target, per row in the order of its tokens. */
  logProbs: Float32Array[];
}

/** Cross-entropy of the labels. @throws Problem `row` */
export async function targetLosses(
  model: Model,
  rows: readonly Row[],
  options: PassOptions = {},
): Promise<TargetLosses> {
  const batch = packRows(checkRows(rows, model.config));
  try {
    const found: Tensor1D = tf.tidy(() => logProbs(model, batch, rows, options));
    const values = (await found.data()) as Float32Array;
    found.dispose();
    return summarize(batch, values);
  } finally {
    batch.close();
  }
}

/**
 * Gradient of the token-mean cross-entropy over all rows with respect to each row's embeddings, in unscaled rows of the table, and the
 * loss itself. gradients: per row flat [T, D].
 * @throws Problem `row`
 */
export async function embeddingGradients(
  model: Model,
  rows: readonly Row[],
  options: PassOptions = {},
): Promise<{ loss: number; gradients: Float32Array[] }> {
  const batch = packRows(checkRows(rows, model.config));
  try {
    const { value, grad } = tf.tidy(() => {
      const at = withDeltas(
        model,
        batch.ids,
        rows.map(({ ids }) => ids),
        options.deltas,
      );
      const loss = (x: tf.Tensor) => {
        const run = options.adapter && { adapter: options.adapter };
        return tf.neg(
          tf.mean(logProbsOfTargets({ model, weights: model.weights }, batch, x as Tensor3D, run)),
        ) as tf.Scalar;
      };
      return tf.valueAndGrad(loss)(at);
    });
    const [[loss], values] = [await value.data(), (await grad.data()) as Float32Array];
    tf.dispose([value, grad]);
    const size = model.config.hiddenSize;
    const width = batch.length * size;
    return {
      loss: loss as number,
      gradients: rows.map(({ ids }, b) => values.slice(b * width, b * width + ids.length * size)),
    };
  } finally {
    batch.close();
  }
}

/** Log-probabilities of all targets as their rows have them. */
export function summarize(batch: Pick<Batch, 'rows' | 'rowOf'>, values: Float32Array): TargetLosses {
  const logProbs = Array.from({ length: batch.rows }, (_, b) => values.filter((_value, n) => batch.rowOf[n] === b));
  const mean = (list: Float32Array) => -list.reduce((sum, value) => sum + value, 0) / list.length;
  return { loss: mean(values), rowLosses: logProbs.map(mean), logProbs };
}

function logProbs(model: Model, batch: Batch, rows: readonly Row[], { adapter, deltas }: PassOptions): Tensor1D {
  const embeddings = withDeltas(
    model,
    batch.ids,
    rows.map(({ ids }) => ids),
    deltas,
  );
  return logProbsOfTargets({ model, weights: model.weights }, batch, embeddings, adapter && { adapter });
}

function withDeltas(
  model: Model,
  ids: Tensor2D,
  rows: readonly (readonly number[])[],
  deltas: PassOptions['deltas'],
): Tensor3D {
  const embeddings = embed(model.weights, ids);
  const [count, length] = ids.shape;
  if (!deltas) return embeddings;
  const size = model.config.hiddenSize;
  const values = new Float32Array(count * length * size);
  deltas.forEach((delta, b) => {
    const most = (rows[b]?.length ?? 0) * size;
    if (!delta) return;
    if (delta.length > most || delta.length % size !== 0)
      throw new Problem(
        'row',
        `row ${b}: its delta has ${delta.length} numbers, not a multiple of ${size} up to ${most}.`,
      );
    values.set(delta, b * length * size);
  });
  return tf.add(embeddings, tf.tensor3d(values, [count, length, size]));
}
