import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSizes } from '../../src/data/batchSizes';

const sizesOf = (lengths: readonly number[], rows = 4) =>
  new BatchSizes(lengths.map((length, i) => ({ rows, size: { length, targets: 10 + (i % 3) } })));

test('few lengths are kept as they are, each with its most targets', () => {
  const sizes = sizesOf([20, 30, 20, 40]);
  assert.deepEqual(sizes.fitting(4, { length: 20, targets: 12 }), { length: 20, targets: 12 });
  assert.deepEqual(sizes.fitting(4, { length: 30, targets: 11 }), { length: 30, targets: 11 });
  assert.deepEqual(sizes.fitting(4, { length: 21, targets: 1 }), { length: 30, targets: 11 });
});

test('many lengths share four sizes, cut where least is wasted, and every batch has one', () => {
  const lengths = [10, 11, 12, 30, 31, 32, 33, 60, 61, 99, 100, 100, 100];
  const sizes = sizesOf(lengths);
  const found = lengths.map((length) => sizes.fitting(4, { length, targets: 10 })?.length);
  assert.deepEqual(found, [12, 12, 12, 33, 33, 33, 33, 61, 61, 100, 100, 100, 100]);
  for (const [i, length] of lengths.entries())
    assert.ok(sizes.fitting(4, { length, targets: 10 + (i % 3) }), `batch ${i} has a size`);
});

test('other numbers of rows have other sizes; what fits into none has none', () => {
  const sizes = new BatchSizes([
    { rows: 1, size: { length: 5, targets: 2 } },
    { rows: 2, size: { length: 9, targets: 4 } },
  ]);
  assert.equal(sizes.fitting(1, { length: 5, targets: 2 })?.length, 5);
  assert.equal(sizes.fitting(1, { length: 6, targets: 2 }), undefined);
  assert.equal(sizes.fitting(1, { length: 5, targets: 3 }), undefined);
  assert.equal(sizes.fitting(3, { length: 1, targets: 1 }), undefined);
});
