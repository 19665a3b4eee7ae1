import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../data/batch';
import { decode, logits } from '../model/decoder';
import type { AdapterRun } from '../model/lora';
import type { Model, Weights } from '../model/model';
import { apart, joined } from '../model/sideBySide';
import { rowsOf, type Table, tableRows } from '../model/table';
import { partsOf } from '../tensor/jit';
import { targetLogProbs } from '../tensor/losses';

/** What a loss is computed with: the decoder and its weights (with LoRA merged, where that is wanted). */
export interface Target {
  readonly model: Pick<Model, 'config'>;
  readonly weights: Weights;
  /** Mean L2 norm of the embedding table's rows: the unit of epsilon. */
  readonly embeddingNorm: number;
  /** Blocks are computed anew in the gradient instead of kept for it: src/tensor/checkpointed.ts. */
  readonly recompute?: boolean;
}

/** Mean L2 norm over all rows of an embedding table [V, D], of unscaled rows. LoRA does not change it: computed once per model. */
export async function meanEmbeddingNorm(embedding: Weights['embedding']): Promise<number> {
  if (!(embedding instanceof tf.Tensor)) return meanNormByPieces(embedding);
  const mean = tf.tidy(() => tf.mean(tf.norm(embedding, 2, 1)));
  const [value] = await mean.data();
  mean.dispose();
  return value as number;
}

/** Some rows at a time: all of them beside the table would be a table more. */
async function meanNormByPieces(embedding: Table): Promise<number> {
  const each = 4096;
  const rows = tableRows(embedding);
  let sum = 0;
  for (let from = 0; from < rows; from += each) {
    const to = Math.min(from + each, rows);
    const norms = tf.tidy(() => tf.norm(rowsOf(embedding, tf.range(from, to, 1, 'int32')), 2, 1));
    for (const norm of await norms.data()) sum += norm;
    norms.dispose();
  }
  return sum / rows;
}

/**
 * log p of every target token. embeddings [B, T, D] unscaled rows of the batch, delta included -> [N]. Logits and softmax at target
 * positions only: the other positions predict no target.
 */
export function logProbsOfTargets(
  target: Pick<Target, 'model' | 'weights' | 'recompute'>,
  batch: Pick<Batch, 'rows' | 'positions' | 'targets' | 'targetIds' | 'seen' | 'shared'>,
  embeddings: Tensor3D,
  adapter?: AdapterRun,
): Tensor1D {
  const { recompute } = target;
  const input = { embeddings, select: batch.positions, seen: batch.seen, recompute, ...batch.shared };
  const { hidden } = decode(target.model, target.weights, input, adapter);
  const parts = partsOf(batch.rows);
  const ids = apart(batch.targetIds, parts);
  const chosen = apart(tf.reshape(hidden, [batch.targets, -1]) as Tensor2D, parts);
  const { config } = target.model;
  return joined(chosen.map((part, i) => targetLogProbs(logits(config, target.weights, part), ids[i] as Tensor1D)));
}

/** Each row's mean over its targets. values [N] -> [B] */
export function rowMeans(batch: Batch, values: Tensor1D): Tensor1D {
  return tf.reshape(tf.matMul(batch.rowMean, tf.reshape(values, [-1, 1])), [batch.rows]) as Tensor1D;
}
