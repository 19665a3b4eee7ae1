import * as tf from '@tensorflow/tfjs-core';
import { ontoPart, partsOf } from '../tensor/jit';
import type { HalfWay } from './blocks';
import type { DecoderInput } from './decoder';
import { gatherRows } from './gatherRows';

// Rows do not see one another. A compiled function computes them in parts that run side by side, each on one thread, which never
// waits for the others: faster than all threads on every op, the more so the smaller the ops are.

/** The rows of the input in parts, all in one where they are not computed side by side. `first`: the place of a part's first row in B. */
export function rowsSideBySide(input: DecoderInput): { first: number; part: DecoderInput }[] {
  const { embeddings, positions, mask, holes } = input;
  const [batch] = embeddings.shape;
  const sizes = sizesOf(batch, input.cache ? 1 : partsOf(batch));
  if (sizes.length === 1) return [{ first: 0, part: input }];
  const each = <T extends tf.Tensor>(x: T | undefined): (T | undefined)[] =>
    x && x.shape[0] === batch ? apart(x, sizes.length) : sizes.map(() => x);
  const [embeddingParts, positionParts, maskParts, holeParts] = [embeddings, positions, mask, holes].map(each);
  let next = 0;
  return sizes.map((size, i) => {
    const first = next;
    next += size;
    const part = {
      ...input,
      embeddings: embeddingParts?.[i] as tf.Tensor3D,
      positions: positionParts?.[i] as tf.Tensor2D | undefined,
      mask: maskParts?.[i] as tf.Tensor3D | undefined,
      holes: holeParts?.[i] as tf.Tensor2D | undefined,
    };
    return { first, part };
  });
}

/** The places `select` [N] of B*T, in as many parts as before them the rows. */
export function placesSideBySide(parts: readonly HalfWay[], select: tf.Tensor1D): HalfWay[] {
  const sum = gatherRows(joined(parts.map((part) => part.sum)), select);
  const rows = gatherRows(joined(parts.map((part) => part.rows)), select);
  const sums = apart(sum, parts.length);
  const all = apart(rows, parts.length);
  return sums.map((one, i) => ({ sum: one, rows: all[i] as tf.Tensor2D }));
}

/** x [N, ...] in `parts` parts, as equal as can be, none of them empty. */
export function apart<T extends tf.Tensor>(x: T, parts: number): T[] {
  const sizes = sizesOf(x.shape[0] as number, parts);
  if (sizes.length === 1) return [x];
  const found: T[] = tf.split(x, sizes);
  found.forEach((one, i) => {
    ontoPart(i, one);
  });
  return found;
}

export const joined = <T extends tf.Tensor>(parts: readonly T[]): T =>
  (parts.length === 1 ? parts[0] : tf.concat([...parts])) as T;

function sizesOf(count: number, parts: number): number[] {
  const most = Math.max(1, Math.min(count, parts));
  return Array.from({ length: most }, (_, i) => Math.floor(((i + 1) * count) / most) - Math.floor((i * count) / most));
}
