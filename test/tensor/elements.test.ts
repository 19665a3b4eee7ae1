import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { jit } from '../../src/tensor/jit';
import { assertClose } from './close';
import { forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

/** erf(x) by its series, in double precision: exact enough below 4. */
function erf(x: number): number {
  let [sum, term] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return Math.abs(x) > 4 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * sum;
}

const NUMBERS = [0, 1e-6, -3e-5, 0.1, -0.3, 0.46, 0.48, 1, -1.7, 2.5, -3.9, 5, -9, 30, -30, 100.25, -100.25];
const EACH: { [name: string]: [(x: tf.Tensor) => tf.Tensor, (x: number) => number, number?] } = {
  neg: [tf.neg, (x) => -x],
  square: [tf.square, (x) => x * x],
  abs: [tf.abs, Math.abs],
  sign: [tf.sign, Math.sign],
  sqrt: [(x) => tf.sqrt(tf.abs(x)), (x) => Math.sqrt(Math.abs(x))],
  rsqrt: [(x) => tf.rsqrt(tf.add(tf.abs(x), 0.5)), (x) => 1 / Math.sqrt(Math.abs(x) + 0.5)],
  sin: [tf.sin, Math.sin],
  cos: [tf.cos, Math.cos],
  exp: [(x) => tf.exp(tf.div(x, 4)), (x) => Math.exp(x / 4)],
  sigmoid: [tf.sigmoid, (x) => 1 / (1 + Math.exp(-x))],
  tanh: [tf.tanh, Math.tanh],
  erf: [tf.erf, erf],
};

/** Counted numbers, no two alike. */
const counted = (...shape: number[]) => tf.reshape(tf.range(1, 1 + shape.reduce((a, b) => a * b, 1)), shape);

/** What a value is made of, in its order: by the op itself on numbers that JavaScript holds. */
type Moved = [name: string, of: (x: tf.Tensor) => tf.Tensor, shape: number[], wanted: number[]];
const MOVED: Moved[] = [
  ['transpose', (x) => tf.transpose(x, [1, 0]), [2, 3], [1, 4, 2, 5, 3, 6]],
  ['transpose of four', (x) => tf.transpose(x, [0, 2, 1, 3]), [1, 2, 2, 2], [1, 2, 5, 6, 3, 4, 7, 8]],
  ['slice', (x) => tf.slice(x, [1, 0], [1, -1]), [2, 3], [4, 5, 6]],
  ['slice inside', (x) => tf.slice(x, [0, 1, 0], [2, 1, 2]), [2, 2, 2], [3, 4, 7, 8]],
  [
    'pad',
    (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        9,
      ),
    [1, 2],
    [9, 9, 9, 9, 1, 2, 9, 9],
  ],
  ['concat', (x) => tf.concat([x, tf.neg(x), x], 1), [2, 1], [1, -1, 1, 2, -2, 2]],
  ['split', (x) => tf.sub(...(tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor])), [2, 4], [-2, -2, -2, -2]],
  ['tile', (x) => tf.tile(x, [1, 3]), [2, 1], [1, 1, 1, 2, 2, 2]],
  ['broadcast', (x) => tf.add(x, tf.tensor([10, 20], [2, 1, 1])), [1, 2, 2], [11, 12, 13, 14, 21, 22, 23, 24]],
  ['column and row', (x) => tf.mul(x, tf.tensor([1, 10], [1, 2])), [3, 1], [1, 10, 2, 20, 3, 30]],
  ['sum in the middle', (x) => tf.sum(x, 1), [2, 3, 2], [9, 12, 27, 30]],
  ['sum of the last two', (x) => tf.sum(x, [1, 2]), [2, 2, 2], [10, 26]],
  ['mean of all', (x) => tf.mean(x), [2, 3], [3.5]],
  ['mean kept', (x) => tf.mean(x, 0, true), [2, 2], [2, 3]],
  ['gather', (x) => tf.gather(x, tf.tensor1d([1, 1, 0], 'int32')), [2, 2], [3, 4, 3, 4, 1, 2]],
  ['scatter', (x) => tf.scatterND(tf.tensor2d([2, 0, 2], [3, 1], 'int32'), x, [3, 2]), [3, 2], [3, 4, 0, 0, 6, 8]],
  ['where', (x) => tf.where(tf.greaterEqual(x, 2.5), x, tf.neg(x)), [4], [-1, -2, 3, 4]],
  ['less', (x) => tf.cast(tf.less(x, tf.scalar(3)), 'float32'), [4], [1, 1, 0, 0]],
  ['not', (x) => tf.cast(tf.logicalNot(tf.lessEqual(x, tf.scalar(3))), 'float32'), [4], [0, 0, 0, 1]],
  ['whole numbers', (x) => tf.cast(tf.cast(x, 'int32'), 'float32'), [3], [1, 2, 3]],
  ['sum of many', (x) => tf.addN([x, x, tf.neg(x), x]), [2], [2, 4]],
  ['larger, smaller', (x) => tf.minimum(tf.maximum(x, 2), 3), [4], [2, 2, 3, 3]],
  ['softmax', (x) => tf.softmax(tf.mul(x, 0)), [2, 4], [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]],
  ['squared difference', (x) => tf.squaredDifference(x, 3), [2], [4, 1]],
];

forEachEngine((check) => {
  const compiled = (name: string, x: tf.Tensor, of: (x: tf.Tensor) => tf.Tensor) =>
    jit({}, name, { x }, (args) => ({ y: of(args.x) })).y;

  check('functions of a number are those of double precision, by themselves and compiled', async () => {
    for (const [name, [of, exact]] of Object.entries(EACH))
      await tidyAsync(async () => {
        const x = tf.tensor1d(NUMBERS);
        const rounded = [...(await x.data())];
        await assertClose(of(x), rounded.map(exact), 2e-6);
        await assertClose(compiled(name, x, of), rounded.map(exact), 2e-6);
      });
  });

  check('numbers are moved, broadcast and summed to where they belong, by themselves and compiled', async () => {
    for (const [name, of, shape, wanted] of MOVED)
      await tidyAsync(async () => {
        const x = counted(...shape);
        const plain = of(x);
        const same = compiled(name, x, of);
        assert.deepEqual(same.shape, plain.shape, name);
        await assertClose(plain, wanted, 1e-6);
        await assertClose(same, wanted, 1e-6);
      });
  });
});
