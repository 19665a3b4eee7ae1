import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, uniform32 } from '../../src/base/random';

test('the first numbers of a seed never change', () => {
  const random = new Random(1, 'batches');
  const first = [random.next(), random.next(), random.int(1000), random.normal()];
  assert.deepEqual(first, [0.7935793823562562, 0.5579104535281658, 173, -1.418406166220688]);
});

test('the same state gives the same numbers, also after a restore', () => {
  const random = new Random(7, 'delta');
  for (let i = 0; i < 5; i++) random.normal();
  const { seed, stream, counter } = random.state;
  const again = new Random(seed, stream, counter);
  assert.deepEqual(
    Array.from({ length: 20 }, () => random.normal()),
    Array.from({ length: 20 }, () => again.normal()),
  );
  assert.equal(new Random(7, 'delta').next(), uniform32(7, 'delta', 0));
});

test('seeds, streams and counters of any size give different numbers', () => {
  const seen = new Set<number>();
  for (const seed of [0, 1, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 52])
    for (const stream of ['a', 'b', 0, 1])
      for (const counter of [0, 1, 2 ** 32]) seen.add(uniform32(seed, stream, counter));
  assert.ok(seen.size >= 71, `${seen.size} of 72 numbers differ`);
});

test('uniform and normal numbers have their moments', () => {
  const random = new Random(3, 'moments');
  const n = 40000;
  const uniforms = Array.from({ length: n }, () => random.next());
  const normals = Array.from({ length: n }, () => random.normal());
  const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / n;
  assert.ok(Math.abs(mean(uniforms) - 0.5) < 0.006);
  assert.ok(Math.abs(mean(uniforms.map((x) => (x - 0.5) ** 2)) - 1 / 12) < 0.002);
  const tenths = new Array<number>(10).fill(0);
  for (const x of uniforms) tenths[Math.floor(x * 10)] = (tenths[Math.floor(x * 10)] ?? 0) + 1;
  // chi-squared with 9 degrees of freedom: 27.9 is its 99.9th percentile
  assert.ok(tenths.reduce((sum, count) => sum + (count - n / 10) ** 2 / (n / 10), 0) < 27.9);
  assert.ok(Math.abs(mean(normals)) < 0.02);
  assert.ok(Math.abs(mean(normals.map((x) => x * x)) - 1) < 0.03);
  assert.ok(Math.abs(mean(normals.map((x) => x ** 4)) - 3) < 0.2);
  // neighbours in one stream and in neighbouring streams are not correlated
  const lagged = uniforms.slice(1).map((x, i) => (x - 0.5) * ((uniforms[i] ?? 0) - 0.5));
  assert.ok(Math.abs(mean(lagged)) < 0.002);
  const paired = uniforms.map((_, i) => (uniform32(3, 10, i) - 0.5) * (uniform32(3, 11, i) - 0.5));
  assert.ok(Math.abs(mean(paired)) < 0.002);
});

test('shuffle keeps every element and changes nothing it was given', () => {
  const list = Array.from({ length: 50 }, (_, i) => i);
  const shuffled = new Random(5).shuffle(list);
  assert.deepEqual(list[49], 49);
  assert.notDeepEqual(shuffled, list);
  assert.deepEqual(
    [...shuffled].sort((a, b) => a - b),
    list,
  );
  assert.throws(() => new Random(5).pick([]), RangeError);
});
