import type { Encoded } from './encode';

/** To what a batch is padded, so that few shapes occur and compiled functions serve many batches. */
export interface BatchSize {
  /** T: tokens of a row that are inputs. */
  length: number;
  /** N: targets of all rows. */
  targets: number;
}

/** The same for two answers behind one prompt. */
export interface PairSize {
  /** Inputs of a row with both answers, and of one with the harmful answer alone. */
  length: number;
  attackLength: number;
  /** Targets of all rows, of each kind of answer. */
  harmful: number;
  safe: number;
}

type Sizes = { [name: string]: number };

/** Padding may not grow beyond what so many sizes per number of rows allow. */
const MOST = 4;

/**
 * One size per group of batches, at most `MOST` groups for each number of rows: batches sorted by `length` are cut where that wastes
 * least; a group's size is the largest of each number in it. Follows from the batches alone, so that a resumed run pads as before.
 */
export class BatchSizes<Size extends { length: number }> {
  private readonly byRows = new Map<number, Size[]>();

  constructor(batches: readonly { rows: number; size: Size }[]) {
    for (const rows of new Set(batches.map((batch) => batch.rows))) {
      const own = batches.filter((batch) => batch.rows === rows).map(({ size }) => size);
      this.byRows.set(rows, group(own));
    }
  }

  /** The smallest that every number of `size` fits into; undefined where none does. */
  fitting(rows: number, size: Size): Size | undefined {
    const fits = (one: Size) =>
      Object.entries(size).every(([name, value]) => ((one as unknown as Sizes)[name] as number) >= (value as number));
    return this.byRows.get(rows)?.find(fits);
  }
}

function group<Size extends { length: number }>(sizes: readonly Size[]): Size[] {
  const lengths = [...new Set(sizes.map(({ length }) => length))].sort((a, b) => a - b);
  const counts = lengths.map((length) => sizes.filter((size) => size.length === length).length);
  const ends = cuts(lengths, counts, MOST);
  return ends.map((end, i) => {
    const [from, to] = [i === 0 ? 0 : (lengths[ends[i - 1] as number] as number) + 1, lengths[end] as number];
    return sizes.filter(({ length }) => length >= from && length <= to).reduce(largest);
  });
}

const largest = <Size extends object>(a: Size, b: Size): Size =>
  Object.fromEntries(
    Object.entries(a).map(([name, value]) => [name, Math.max(value as number, (b as Sizes)[name] as number)]),
  ) as Size;

/** Places in `lengths` where groups end, at most `most`, for the least padding in all: by the best ways to cut what stands before. */
function cuts(lengths: readonly number[], counts: readonly number[], most: number): number[] {
  const n = lengths.length;
  const waste = (from: number, to: number): number => {
    let sum = 0;
    for (let i = from; i <= to; i++) sum += ((lengths[to] as number) - (lengths[i] as number)) * (counts[i] as number);
    return sum;
  };
  // best[end]: of all that stands up to there, in as many groups as the round says.
  let best = lengths.map((_, end) => ({ cost: waste(0, end), ends: [end] }));
  for (let groups = 2; groups <= Math.min(most, n); groups++) {
    const before = best;
    best = before.map((whole, end) => {
      let found = whole;
      for (let cut = 0; cut < end; cut++) {
        const left = before[cut] as (typeof before)[number];
        const cost = left.cost + waste(cut + 1, end);
        if (cost < found.cost) found = { cost, ends: [...left.ends, end] };
      }
      return found;
    });
  }
  return best[n - 1]?.ends ?? [];
}

/** What a batch of these rows needs: makeBatch. */
export const batchSize = (rows: readonly Encoded[]): BatchSize => ({
  length: Math.max(1, ...rows.map(({ ids }) => ids.length - 1)),
  targets: rows.reduce((sum, { ids, promptLength }) => sum + ids.length - promptLength, 0),
});

/** What a batch of these pairs needs: packPairs. */
export function pairSize(pairs: readonly { harmful: Encoded; safe: Encoded }[]): PairSize {
  const harmful = batchSize(pairs.map((pair) => pair.harmful));
  const both = pairs.map((pair) => pair.harmful.ids.length + pair.safe.ids.length - pair.harmful.promptLength - 2);
  return {
    length: Math.max(1, ...both),
    attackLength: harmful.length,
    harmful: harmful.targets,
    safe: batchSize(pairs.map((pair) => pair.safe)).targets,
  };
}
