import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { MASKED } from '../model/attention';
import type { BatchSize, PairSize } from './batchSizes';
import type { Encoded } from './encode';

/**
 * A right-padded group of rows as tensors. B rows, T tokens in the longest, N target tokens in all. Under a causal mask the padding
 * behind a row changes nothing in it. Whoever made the batch closes it.
 */
export interface Batch {
  readonly rows: number;
  readonly length: number;
  /** Tokens of the longest text, its last target included, which is no input: what frequencies that follow the length go by. */
  readonly seen: number;
  readonly targets: number;
  /** Tokens of all rows without padding. */
  readonly tokens: number;
  /** [B, T] int32, 0 where padded. */
  readonly ids: Tensor2D;
  /** [N] int32: flat places b * T + t in [B * T] whose hidden state predicts the target at t + 1. */
  readonly positions: Tensor1D;
  /** [N] int32. */
  readonly targetIds: Tensor1D;
  /** [N]: what a mean over the targets multiplies each by, 0 where N is padded; absent where it is not. */
  readonly weights?: Tensor1D;
  /** The row of each target. */
  readonly rowOf: readonly number[];
  /** [B, N]: 1 / (targets of the row) at its own targets, else 0; rowMean x values[N] is each row's mean. */
  readonly rowMean: Tensor2D;
  /** [B, T, 1]: 1 where delta may move a token, else 0. */
  readonly perturb: Tensor3D;
  /** Of rows that hold two answers behind one prompt. */
  readonly shared?: SharedPrompts;
  close(): void;
}

/** Which tokens of a row see which: the second answer sees the prompt and itself, and stands where the first one stands. */
export interface SharedPrompts {
  /** [B, T] int32: 0.. over prompt and first answer, on from the prompt's end over the second. */
  readonly positions: Tensor2D;
  /** [B, 2] int32: the first answer's place and the second's, src/tensor/fused.ts. */
  readonly holes: Tensor2D;
  /** [B, T, T]: the same and the order of tokens as what is added to attention scores. */
  readonly mask: Tensor3D;
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

/**
 * Packs rows, each with at least one target. `perturb`: all tokens before the targets, or only the user's words. Padded to `size` where
 * that is given.
 */
export function makeBatch(rows: readonly Encoded[], perturb: 'all' | 'user' = 'all', size?: BatchSize): Batch {
  const labelled = rows.map(
    ({ ids, promptLength, userStart, userEnd }): LabelledRow => ({
      ids,
      labels: ids.map((id, t) => (t < promptLength ? IGNORED : id)),
      moves: (t) => t < promptLength && (perturb === 'all' || (t >= userStart && t < userEnd)),
    }),
  );
  // Behind a row's last token nothing is predicted: it is a target and no input.
  return pack(labelled, { inputs: (row) => row.ids.length - 1, size });
}

/** Packs labelled rows, each with at least one target. Every token has its place, since whoever asks wants deltas or gradients of each. */
export function packRows(rows: readonly LabelledRow[]): Batch {
  return pack(rows, { inputs: (row) => row.ids.length });
}

function pack(
  rows: readonly LabelledRow[],
  { inputs, size }: { inputs: (row: LabelledRow) => number; size?: BatchSize },
): Batch {
  const length = size?.length ?? Math.max(1, ...rows.map(inputs));
  const ids = new Int32Array(rows.length * length);
  const moves = new Float32Array(rows.length * length);
  const targets: Placed[] = [];
  rows.forEach((row, b) => {
    const count = inputs(row);
    for (let t = 0; t < count; t++) {
      ids[b * length + t] = row.ids[t] as number;
      if (row.moves(t)) moves[b * length + t] = 1;
    }
    for (let t = 1; t < row.ids.length; t++) {
      const label = row.labels[t] as number;
      if (label !== IGNORED) targets.push({ row: b, place: b * length + t - 1, id: label });
    }
  });
  const texts = rows.map((row) => row.ids.length);
  return batchOf({ rows: rows.length, length, texts, ids, moves, targets: [targets], counts: size && [size.targets] });
}

/** A prompt and its two answers, both encoded with the prompt. */
export interface AnswerPair {
  harmful: Encoded;
  safe: Encoded;
}

/**
 * Rows of a prompt, its harmful and its safe answer, so that the prompt is computed once. Targets: all harmful ones, row after row, then
 * all safe ones. An answer's last token is a target and no input.
 */
export function packPairs(pairs: readonly AnswerPair[], size?: PairSize): Batch & { shared: SharedPrompts } {
  const places = pairs.map(({ harmful, safe }) => {
    const first = harmful.promptLength;
    const second = harmful.ids.length - 1;
    return { first, second, end: second + safe.ids.length - 1 - first };
  });
  const length = size?.length ?? Math.max(1, ...places.map(({ end }) => end));
  const ids = new Int32Array(pairs.length * length);
  const positions = new Int32Array(pairs.length * length);
  const mask = new Float32Array(pairs.length * length * length).fill(MASKED);
  const targets: Placed[] = [];
  const safeTargets: Placed[] = [];
  pairs.forEach(({ harmful, safe }, b) => {
    const { first, second, end } = places[b] as (typeof places)[number];
    const at = b * length;
    ids.set(harmful.ids.slice(0, second), at);
    ids.set(safe.ids.slice(first, safe.ids.length - 1), at + second);
    for (let t = 0; t < length; t++) {
      const position = t < second ? t : t - second + first;
      positions[at + t] = t < end ? position : 0;
      const row = (at + t) * length;
      mask.fill(0, row, row + t + 1);
      if (t >= second) mask.fill(MASKED, row + first, row + second);
    }
    for (let t = first; t < harmful.ids.length; t++)
      targets.push({ row: b, place: at + t - 1, id: harmful.ids[t] as number });
    for (let t = first; t < safe.ids.length; t++) {
      const place = t === first ? first - 1 : second + t - first - 1;
      safeTargets.push({ row: b, place: at + place, id: safe.ids[t] as number });
    }
  });
  const texts = pairs.flatMap(({ harmful, safe }) => [harmful.ids.length, safe.ids.length]);
  const moves = new Float32Array(pairs.length * length);
  const batch = batchOf({
    ...{ rows: pairs.length, length, texts, ids, moves },
    targets: [targets, safeTargets],
    counts: size && [size.harmful, size.safe],
  });
  const shared = {
    positions: tf.tensor2d(positions, [pairs.length, length], 'int32'),
    holes: tf.tensor2d(
      places.flatMap(({ first, second }) => [first, second]),
      [pairs.length, 2],
      'int32',
    ),
    mask: tf.tensor3d(mask, [pairs.length, length, length]),
  };
  return {
    ...batch,
    shared,
    close() {
      batch.close();
      tf.dispose(shared as unknown as tf.TensorContainer);
    },
  };
}

/** A target: the place in B * T whose hidden state predicts it. */
interface Placed {
  row: number;
  place: number;
  id: number;
}

function batchOf({
  rows,
  length,
  texts,
  ids,
  moves,
  targets: groups,
  counts: padded,
}: {
  rows: number;
  length: number;
  /** Tokens of each text. */
  texts: readonly number[];
  ids: Int32Array;
  moves: Float32Array;
  /** One group behind the other. */
  targets: readonly (readonly Placed[])[];
  /** How many each group is padded to. */
  counts?: readonly number[];
}): Batch {
  const nothing: Placed = { row: -1, place: 0, id: 0 };
  const targets = groups.flatMap((group, i) => [
    ...group,
    ...new Array<Placed>(Math.max(0, (padded?.[i] ?? 0) - group.length)).fill(nothing),
  ]);
  const real = targets.filter(({ row }) => row >= 0);
  const counts = new Array<number>(rows).fill(0);
  for (const { row } of real) counts[row] = (counts[row] as number) + 1;
  const mean = new Float32Array(rows * targets.length);
  targets.forEach(({ row }, n) => {
    if (row >= 0) mean[row * targets.length + n] = 1 / (counts[row] as number);
  });
  const int32 = (values: readonly number[]) => tf.tensor1d([...values], 'int32');
  const tensors = {
    ids: tf.tensor2d(ids, [rows, length], 'int32'),
    positions: int32(targets.map(({ place }) => place)),
    targetIds: int32(targets.map(({ id }) => id)),
    rowMean: tf.tensor2d(mean, [rows, targets.length]),
    perturb: tf.tensor3d(moves, [rows, length, 1]),
    // Each group has a mean of its own.
    ...(padded && {
      weights: tf.tensor1d(
        groups.flatMap((group, i) =>
          Array.from({ length: Math.max(group.length, padded[i] ?? 0) }, (_, n) =>
            n < group.length ? 1 / group.length : 0,
          ),
        ),
      ),
    }),
  };
  return {
    rows,
    length,
    // Padded rows are for families whose frequencies do not follow the length: it must not tell shapes apart.
    seen: padded ? length : Math.max(...texts),
    targets: targets.length,
    tokens: texts.reduce((sum, count) => sum + count, 0),
    rowOf: real.map(({ row }) => row),
    ...tensors,
    close: () => tf.dispose(tensors),
  };
}
