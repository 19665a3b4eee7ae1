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
  readonly promptLengths: readonly number[];
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

/** Packs rows, each with at least one target. `perturb`: all tokens before the targets, or only the user's words. */
export function makeBatch(rows: readonly Encoded[], perturb: 'all' | 'user' = 'all'): Batch {
  const length = Math.max(...rows.map((row) => row.ids.length));
  const ids = new Int32Array(rows.length * length);
  const moves = new Float32Array(rows.length * length);
  const positions: number[] = [];
  const targetIds: number[] = [];
  const rowOf: number[] = [];
  rows.forEach((row, b) => {
    ids.set(row.ids, b * length);
    const [from, to] =
      perturb === 'all' ? [0, row.promptLength] : [row.userStart, Math.min(row.userEnd, row.promptLength)];
    moves.fill(1, b * length + from, b * length + to);
    for (let t = row.promptLength; t < row.ids.length; t++) {
      positions.push(b * length + t - 1);
      targetIds.push(row.ids[t] as number);
      rowOf.push(b);
    }
  });
  const mean = new Float32Array(rows.length * rowOf.length);
  rowOf.forEach((b, n) => {
    const row = rows[b] as Encoded;
    mean[b * rowOf.length + n] = 1 / (row.ids.length - row.promptLength);
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
    promptLengths: rows.map((row) => row.promptLength),
    rowOf,
    ...tensors,
    close: () => tf.dispose(tensors),
  };
}
