import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/base/random';
import { forEachEngine } from './engines';

const random = new Random(1, 'matMul');
const numbers = (...shape: number[]) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    shape,
  );

/** The product by its definition, in double precision. */
async function expected(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): Promise<number[]> {
  const batches = (x: tf.Tensor) => x.shape.slice(0, -2).reduce((p, q) => p * q, 1);
  const [ra = 0, ca = 0] = a.shape.slice(-2);
  const [rb = 0, cb = 0] = b.shape.slice(-2);
  const [m, n, p] = [transposeA ? ca : ra, transposeA ? ra : ca, transposeB ? rb : cb];
  const [av, bv] = [await a.data(), await b.data()];
  const result: number[] = [];
  for (let batch = 0; batch < Math.max(batches(a), batches(b)); batch++) {
    const [oa, ob] = [(batch % batches(a)) * ra * ca, (batch % batches(b)) * rb * cb];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < p; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++)
          sum +=
            (av[oa + (transposeA ? k * ca + i : i * ca + k)] ?? 0) *
            (bv[ob + (transposeB ? j * cb + k : k * cb + j)] ?? 0);
        result.push(sum);
      }
  }
  return result;
}

forEachEngine((check) => {
  for (const [shapeA, shapeB] of [
    [
      [5, 7],
      [7, 3],
    ],
    [
      [3, 5, 7],
      [3, 7, 4],
    ],
    [
      [2, 3, 5, 7],
      [2, 3, 7, 9],
    ],
    [
      [3, 5, 7],
      [7, 4],
    ],
    [
      [3, 5, 7],
      [1, 7, 4],
    ],
    [
      [1, 5, 7],
      [3, 7, 4],
    ],
    // few rows of an operand that needs no packing; several tasks with edges
    [
      [5, 7],
      [7, 16],
    ],
    [
      [300, 130],
      [130, 41],
    ],
    [
      [1, 1, 1],
      [2, 1, 1],
    ],
  ] as const)
    check(`products ${shapeA} x ${shapeB}, each way transposed`, async () => {
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const swap = (shape: readonly number[]) => [...shape.slice(0, -2), ...shape.slice(-2).reverse()];
          const a = numbers(...(transposeA ? swap(shapeA) : shapeA));
          const b = numbers(...(transposeB ? swap(shapeB) : shapeB));
          const before = tf.memory().numDataBuffers;
          const out = tf.matMul(a, b, transposeA, transposeB);
          const want = await expected(a, b, transposeA, transposeB);
          const got = await out.data();
          assert.equal(got.length, want.length);
          for (const [i, value] of want.entries())
            assert.ok(Math.abs(value - (got[i] ?? Number.NaN)) < 5e-5, `${value} ${got[i]}`);
          out.dispose();
          assert.equal(tf.memory().numDataBuffers, before);
        }
    });

  check('the gradient of a batched product, and identity, free what they take', async () => {
    const before = tf.memory().numDataBuffers;
    const [a, b] = [numbers(4, 3, 5), numbers(4, 5, 2)];
    const grads = tf.grads((x, y) => tf.sum(tf.matMul(tf.clone(x), y)))([a, b]);
    assert.deepEqual(grads[0]?.shape, [4, 3, 5]);
    const copy = tf.clone(a);
    a.dispose();
    assert.equal((await copy.data()).length, 60);
    tf.dispose([b, copy, grads]);
    assert.equal(tf.memory().numDataBuffers, before);
  });
});
