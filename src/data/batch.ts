import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Encoded } from './encode';

/**
 * A right-padded group of rows as tensors. B rows, T tokens in the longest, N target tokens in all. Under a causal mask the padding
 * behind a row changes nothing in it. Whoever made the batch closes it.
 */
export interface Batch {
  readonly rows: number;
  readonly length: number;
  readonly targets: number;
  /** Tokens of all rows without padding. */
  readonly tokens: number;
  /** [B, T] int32, 0 where padded. */
  readonly ids: Tensor2D;
  /** [N] int32: flat places b * T + t in [B * T] whose hidden state predicts the target at t + 1. */
  readonly positions: Tensor1D;
  /** [N] int32. */
  readonly targetIds: Tensor1D;
  /** The row of each target. */
  readonly rowOf: readonly number[];
  /** [B, N]: 1 / (targets of the row) at its own targets, else 0; rowMean x values[N] is each row's mean. */
  readonly rowMean: Tensor2D;
  /** [B, T, 1]: 1 where delta may move a token, else 0. */
  readonly perturb: Tensor3D;
  close(): void;
}

/** What computations depend on: tensors and sizes. */
export type BatchParts = Omit<Batch, 'rowOf' | 'tokens' | 'close'>;

export function partsOf({ rowOf: _rowOf, tokens: _tokens, close: _close, ...parts }: Batch): BatchParts {
  return parts;
}

/** A label that is no target, as in PyTorch. */
export const IGNORED = -100;

/** Token ids with a label for each: the id that the tokens before it are to predict, or IGNORED. The first label counts for nothing. */
export interface LabelledRow {
  ids: readonly number[];
  labels: readonly number[];
  /** Whether delta may move token t. */
  moves(t: number): boolean;
}

/** Packs rows, each with at least one target. `perturb`: all tokens before the targets, or only the user's words. */
export function makeBatch(rows: readonly Encoded[], perturb: 'all' | 'user' = 'all'): Batch {
  return packRows(
    rows.map(({ ids, promptLength, userStart, userEnd }) => ({
      ids,
      labels: ids.map((id, t) => (t < promptLength ? IGNORED : id)),
      moves: (t) => t < promptLength && (perturb === 'all' || (t >= userStart && t < userEnd)),
    })),
  );
}

/** Packs labelled rows, each with at least one target. */
export function packRows(rows: readonly LabelledRow[]): Batch {
  const length = Math.max(...rows.map((row) => row.ids.length));
  const ids = new Int32Array(rows.length * length);
  const moves = new Float32Array(rows.length * length);
  const positions: number[] = [];
  const targetIds: number[] = [];
  const rowOf: number[] = [];
  rows.forEach((row, b) => {
    ids.set(row.ids, b * length);
    row.ids.forEach((_, t) => {
      if (row.moves(t)) moves[b * length + t] = 1;
    });
    for (let t = 1; t < row.ids.length; t++) {
      const label = row.labels[t] as number;
      if (label === IGNORED) continue;
      positions.push(b * length + t - 1);
      targetIds.push(label);
      rowOf.push(b);
    }
  });
  const counts = rows.map((_, b) => rowOf.filter((row) => row === b).length);
  const mean = new Float32Array(rows.length * rowOf.length);
  rowOf.forEach((b, n) => {
    mean[b * rowOf.length + n] = 1 / (counts[b] as number);
  });
  const tensors = {
    ids: tf.tensor2d(ids, [rows.length, length], 'int32'),
    positions: tf.tensor1d(positions, 'int32'),
    targetIds: tf.tensor1d(targetIds, 'int32'),
    rowMean: tf.tensor2d(mean, [rows.length, rowOf.length]),
    perturb: tf.tensor3d(moves, [rows.length, length, 1]),
  };
  return {
    rows: rows.length,
    length,
    targets: rowOf.length,
    tokens: rows.reduce((sum, row) => sum + row.ids.length, 0),
    rowOf,
    ...tensors,
    close: () => tf.dispose(tensors),
  };
}
