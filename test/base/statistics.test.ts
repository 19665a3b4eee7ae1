import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mcNemar, median, wilson } from '../../src/base/statistics';

const near = (found: number, wanted: number, tolerance = 1e-4) =>
  assert.ok(Math.abs(found - wanted) < tolerance, `${found} is not ${wanted}`);

test('Wilson intervals are those of the textbook', () => {
  // 10 of 20: 0.2993 to 0.7007; 1 of 10: 0.0179 to 0.4042 (95 %)
  const half = wilson(10, 20);
  near(half.low, 0.2993);
  near(half.high, 0.7007);
  const tenth = wilson(1, 10);
  near(tenth.low, 0.0179);
  near(tenth.high, 0.4042);
});

test('an interval at an end reaches that end and does not cross it', () => {
  const none = wilson(0, 32);
  assert.equal(none.low, 0);
  near(none.high, 0.1072);
  const all = wilson(32, 32);
  assert.equal(all.high, 1);
  near(all.low, 0.8928);
});

test('with no examples nothing is known', () => {
  assert.deepEqual(wilson(0, 0), { value: 0, n: 0, low: 0, high: 1 });
});

test('counts that cannot be are refused', () => {
  assert.throws(() => wilson(3, 2), RangeError);
  assert.throws(() => wilson(-1, 2), RangeError);
  assert.throws(() => wilson(1, 1.5), RangeError);
});

test('the median is the middle, and undefined for none', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(median([]), undefined);
});

test('McNemar: exact two-sided binomial', () => {
  assert.equal(mcNemar(0, 0), 1);
  near(mcNemar(0, 5), 2 / 32, 1e-12);
  near(mcNemar(1, 7), 2 * (9 / 256), 1e-12);
  assert.equal(mcNemar(4, 4), 1);
  assert.equal(mcNemar(2, 9), mcNemar(9, 2));
  assert.ok(mcNemar(0, 2000) >= 0 && mcNemar(0, 2000) < 1e-300);
});
