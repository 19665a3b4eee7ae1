import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/base/random';
import { multiplyPacked, ontoEngine, pack, unpack } from '../../src/model/packed';
import { addMatMul, fusedMatMul, hasFused } from '../../src/tensor/fused';
import { hasPanels, inPanels, panelMatMul } from '../../src/tensor/panels';
import { forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

// Products of so many rows that a processor's matrix unit computes them where it has one (native/src/fused/tiles.h): from parts of numbers, of which
// none may be missing. Elsewhere the same is asked of vectors.

const matrix = (rows: number, columns: number, seed: number) => {
  const random = new Random(seed, 'many rows');
  return Float32Array.from({ length: rows * columns }, () => random.normal());
};

/** a [n, k] times b [k, m], in double precision, and start. */
function product(a: Float32Array, b: Float32Array, n: number, k: number, m: number, start?: Float32Array): number[] {
  return Array.from({ length: n * m }, (_, at) => {
    const [row, column] = [Math.floor(at / m), at % m];
    let sum = start?.[at] ?? 0;
    for (let i = 0; i < k; i++) sum += (a[row * k + i] as number) * (b[i * m + column] as number);
    return sum;
  });
}

const turned = (x: Float32Array, rows: number, columns: number) =>
  Float32Array.from(x, (_, at) => x[(at % rows) * columns + Math.floor(at / rows)] as number);

/** The root of the mean square of what `got` is off by, in that of what is wanted. */
async function error(got: tf.Tensor, wanted: readonly number[]): Promise<number> {
  const values = await got.data();
  const squares = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(squares(wanted.map((value, i) => (values[i] as number) - value)) / squares(wanted));
}

// A float32 keeps 6e-8 of a number; a part of numbers that is left out costs 2e-6.
const TOLERANCE = 1e-6;

forEachEngine((check) => {
  // edges of 32 rows, columns and inner numbers; inner numbers in two rounds, and rows in two
  for (const [n, k, m] of [
    [49, 1, 1],
    [50, 31, 33],
    [64, 32, 64],
    [65, 33, 95],
    [97, 70, 31],
    [126, 800, 40],
    [300, 770, 70],
  ] as const)
    check(`${n} rows of ${k} numbers times ${m} columns are as exact as float32`, () =>
      tidyAsync(async () => {
        const [a, b, start] = [matrix(n, k, 1), matrix(k, m, 2), matrix(n, m, 3)];
        const wanted = product(a, b, n, k, m);
        const both = [tf.tensor2d(a, [n, k]), tf.tensor2d(b, [k, m])] as const;
        const both2 = [tf.tensor2d(turned(a, n, k), [k, n]), tf.tensor2d(turned(b, k, m), [m, k])] as const;
        const multiply = hasFused() ? fusedMatMul : tf.matMul;
        assert.ok((await error(multiply(both[0], both[1]), wanted)) < TOLERANCE, 'a b');
        assert.ok((await error(multiply(both[0], both2[1], false, true), wanted)) < TOLERANCE, 'a b^T');
        assert.ok((await error(multiply(both2[0], both[1], true, false), wanted)) < TOLERANCE, 'a^T b');
        assert.ok((await error(multiply(both2[0], both2[1], true, true), wanted)) < TOLERANCE, 'a^T b^T');
        if (hasFused()) {
          const added = addMatMul(tf.tensor2d(start, [n, m]), ...both);
          assert.ok((await error(added, product(a, b, n, k, m, start))) < TOLERANCE, 'start + a b');
        }
        if (hasPanels()) {
          const weight = inPanels(both[1], false);
          assert.ok((await error(panelMatMul(both[0], weight), wanted)) < TOLERANCE, 'panels');
          const back = inPanels(both2[1], false);
          const gradient = tf.grad((x) => panelMatMul(x as tf.Tensor2D, back))(
            tf.tensor2d(matrix(n, m, 4), [n, m]),
            both[0],
          );
          assert.ok((await error(gradient, wanted)) < TOLERANCE, 'panels, back');
        }
        for (const kind of ['bfloat16', 'nf4'] as const) {
          const packed = pack(turned(b, k, m), m, k, kind);
          const values = product(a, turned(unpack(packed), m, k), n, k, m);
          assert.ok((await error(multiplyPacked(both[0], ontoEngine(packed)), values)) < TOLERANCE, kind);
        }
      }),
    );

  check('a matrix of bfloat16 gives the bits that the same matrix in float32 gives, in both directions', () =>
    tidyAsync(async () => {
      if (!hasFused()) return;
      for (const [n, k, m] of [
        [49, 1, 1],
        [66, 33, 47],
        [100, 800, 64],
      ] as const) {
        const packed = pack(matrix(m, k, 9), m, k, 'bfloat16');
        const [weight, whole] = [ontoEngine(packed), tf.tensor2d(unpack(packed), [m, k])];
        const [x, dy] = [tf.tensor2d(matrix(n, k, 10), [n, k]), tf.tensor2d(matrix(n, m, 11), [n, m])];
        assert.deepEqual(await multiplyPacked(x, weight).data(), await fusedMatMul(x, whole, false, true).data());
        const gradient = tf.grad((it) => multiplyPacked(it as tf.Tensor2D, weight))(x, dy);
        assert.deepEqual(await gradient.data(), await fusedMatMul(dy, whole).data());
      }
    }),
  );

  check('a number times 1 is the number, and a row has the same bits among many rows as among more', () =>
    tidyAsync(async () => {
      const size = 70;
      // parts of what is smaller than 1e-33 may be too small for a float32
      const values = matrix(size, size, 5).map((value, i) => value * 10 ** ((i % 51) - 25));
      const [one, x] = [tf.eye(size), tf.tensor2d(values, [size, size])];
      const multiply = hasFused() ? fusedMatMul : tf.matMul;
      // -0 is 0 in a sum
      const plain = (numbers: ArrayLike<number>) => Array.from(numbers, (value) => value + 0);
      assert.deepEqual(plain(await multiply(one, x).data()), plain(values));
      assert.deepEqual(plain(await multiply(x, one).data()), plain(values));
      const rows = tf.tensor2d(matrix(150, size, 6), [150, size]);
      const all = await multiply(rows, x).data();
      const some = await multiply(tf.slice(rows, [37, 0], [60, size]), x).data();
      assert.deepEqual(some, all.slice(37 * size, 97 * size));
    }),
  );

  check('what is no number or infinite stays in its row and column', () =>
    tidyAsync(async () => {
      const [n, k, m] = [70, 40, 50];
      const [a, b] = [matrix(n, k, 7), matrix(k, m, 8)];
      // also the NaN that some processors make, all of whose bits are set
      const odd = Float32Array.from([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]);
      new Uint32Array(odd.buffer)[3] = 0x7fffffff;
      for (let i = 0; i < 4; i++) {
        const [left, right] = [a.slice(), b.slice()];
        new Uint32Array(left.buffer)[3 * k + 21] = new Uint32Array(odd.buffer)[i] as number;
        new Uint32Array(right.buffer)[9 * m + 33] = new Uint32Array(odd.buffer)[i] as number;
        const multiply = hasFused() ? fusedMatMul : tf.matMul;
        const y = await multiply(tf.tensor2d(left, [n, k]), tf.tensor2d(right, [k, m])).data();
        y.forEach((value: number, at: number) => {
          const touched = Math.floor(at / m) === 3 || at % m === 33;
          assert.equal(Number.isFinite(value), !touched, `${i}: ${Math.floor(at / m)}, ${at % m}`);
        });
      }
    }),
  );
});
