import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepPeaks, smooth } from '../../src/records/series';
import { ticks } from '../../src/records/svgChart';

test('few points are all kept, gaps are left out', () => {
  assert.deepEqual(keepPeaks([1, Number.NaN, 3], 10), [0, 2]);
  assert.deepEqual(keepPeaks([], 10), []);
});

test('of many points the peaks are kept, and about as many as asked for', () => {
  const ys = Array.from({ length: 100_000 }, (_, i) => Math.sin(i / 1000));
  ys[77_777] = 50;
  ys[12_345] = -50;
  const kept = keepPeaks(ys, 500);
  assert.ok(kept.length <= 502 && kept.length > 250, String(kept.length));
  for (const peak of [0, 12_345, 77_777, 99_999]) assert.ok(kept.includes(peak));
  assert.deepEqual(
    kept,
    [...kept].sort((a, b) => a - b),
  );
});

test('smoothing starts at the first value and follows the rest', () => {
  assert.deepEqual(
    smooth([2, 2, 2], 0.9).map((it) => Number(it.toFixed(12))),
    [2, 2, 2],
  );
  assert.deepEqual(smooth([1, 5], 0), [1, 5]);
  const [first, gap, third] = smooth([4, Number.NaN, 0], 0.5);
  assert.equal(first, 4);
  assert.ok(Number.isNaN(gap));
  assert.ok(Math.abs((third ?? 0) - 4 / 3) < 1e-12);
});

test('ticks are round and within their bounds', () => {
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-5.2, 3), [-4, -2, 0, 2]);
  assert.deepEqual(ticks(2, 2), [2]);
});
