import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/base/random';
import { run } from '../../src/tensor/fused';
import { freeCompiled, jit, jitCounts } from '../../src/tensor/jit';
import { assertBalanced } from '../../src/tensor/memory';
import { freePanels, hasPanels, inPanels, mergePanels, panelMatMul, panelRows } from '../../src/tensor/panels';
import { assertClose } from './close';
import { DEVICE, forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

type Shape = [number, number];

function matrix([rows, columns]: Shape, seed: number): Float32Array {
  const random = new Random(seed, 'panels');
  return Float32Array.from({ length: rows * columns }, () => random.normal());
}

/** a b (or a b^T), in double precision. a [n, k], b [k, m] (or [m, k]) */
function product(a: Float32Array, b: Float32Array, [n, k]: Shape, m: number, turned = false): number[] {
  return Array.from({ length: n * m }, (_, at) => {
    const [row, column] = [Math.floor(at / m), at % m];
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (a[row * k + i] ?? 0) * (b[turned ? column * k + i : i * m + column] ?? 0);
    return sum;
  });
}

forEachEngine((check) => {
  const only = (name: string, work: () => Promise<void>) =>
    check(name, async () => {
      if (hasPanels()) await work();
      else
        assert.ok(tf.getBackend() !== 'tensorflow' || DEVICE || process.arch !== 'x64', 'the native engine has panels');
    });

  only('products with a matrix in panels, and their gradients, are those of the matrix, compiled too', async () => {
    // less than a panel, its edge, one more; more rows than are computed at a time, and than stay in the cache; more inner numbers than one round has
    for (const [rows, inputs, outputs] of [
      [1, 1, 1],
      [3, 5, 31],
      [14, 33, 32],
      [15, 64, 33],
      [29, 40, 200],
      [5, 2100, 70],
      [300, 1030, 40],
    ] as const) {
      const [w, xs, dys] = [matrix([inputs, outputs], 1), matrix([rows, inputs], 2), matrix([rows, outputs], 3)];
      const tolerance = 2e-5 * Math.sqrt(Math.max(inputs, outputs));
      const y = product(xs, w, [rows, inputs], outputs);
      const dx = product(dys, w, [rows, outputs], inputs, true);
      await assertBalanced(() =>
        tidyAsync(async () => {
          const [plain, x, dy] = [
            tf.tensor2d(w, [inputs, outputs]),
            tf.tensor2d(xs, [rows, inputs]),
            tf.tensor2d(dys, [rows, outputs]),
          ];
          const straight = inPanels(plain, false);
          const turned = inPanels(tf.transpose(plain) as tf.Tensor2D, true);
          assert.deepEqual(await straight.panels.data(), await turned.panels.data());
          const nothing = [tf.zeros([inputs, 1]), tf.zeros([1, outputs])] as [tf.Tensor2D, tf.Tensor2D];
          const both = mergePanels(straight, ...nothing, true);
          assert.deepEqual(await both.panels.data(), await straight.panels.data());
          for (const weight of [straight, both]) {
            const compute = (given: { x: tf.Tensor2D; dy: tf.Tensor2D; weight: typeof weight }) => ({
              y: panelMatMul(given.x, given.weight),
              dx: tf.grad((it) => panelMatMul(it as tf.Tensor2D, given.weight))(given.x, given.dy),
            });
            const owner = {};
            const before = jitCounts().refused.length;
            const compiled = jit(owner, 'panels', { x, dy, weight }, compute);
            for (const made of [compute({ x, dy, weight }), compiled]) {
              await assertClose(made.y, y, tolerance);
              await assertClose(made.dx, dx, tolerance);
            }
            const again = jit(owner, 'panels', { x, dy, weight }, compute);
            assert.deepEqual(await again.dx.data(), await compiled.dx.data());
            assert.equal(jitCounts().refused.length, before);
            freeCompiled(owner);
          }
        }),
      );
    }
  });

  only('an adapter is merged in, in one direction or both', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        for (const [inputs, outputs, rank] of [
          [7, 5, 2],
          [64, 96, 8],
          [45, 70, 64],
          [40, 2100, 4],
        ] as const) {
          const [w, a, b] = [matrix([inputs, outputs], 4), matrix([inputs, rank], 5), matrix([rank, outputs], 6)];
          const whole = product(a, b, [inputs, rank], outputs).map((value, i) => value + (w[i] as number));
          const base = inPanels(tf.tensor2d(w, [inputs, outputs]), false);
          const [left, right] = [tf.tensor2d(a, [inputs, rank]), tf.tensor2d(b, [rank, outputs])];
          const merged = mergePanels(base, left, right, true);
          const rows = 9;
          const [xs, dys] = [matrix([rows, inputs], 8), matrix([rows, outputs], 9)];
          const [x, dy] = [tf.tensor2d(xs, [rows, inputs]), tf.tensor2d(dys, [rows, outputs])];
          const w2 = Float32Array.from(whole);
          const tolerance = 1e-4 * Math.sqrt(Math.max(rank, outputs / 32));
          await assertClose(panelMatMul(x, merged), product(xs, w2, [rows, inputs], outputs), tolerance);
          const gradient = (by: typeof merged) => tf.grad((it) => panelMatMul(it as tf.Tensor2D, by))(x, dy);
          await assertClose(gradient(merged), product(dys, w2, [rows, outputs], inputs, true), tolerance);
          const one = mergePanels(base, left, right, false);
          assert.equal(one.back, undefined);
          assert.deepEqual(await one.panels.data(), await merged.panels.data());
          assert.deepEqual(await gradient(one).data(), await gradient(merged).data(), 'one direction, the same bits');
          freePanels(one);
          freePanels(merged);
          freePanels(base);
        }
      }),
    ),
  );

  only('columns are given as rows, and what does not fit is refused by name', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        const w = matrix([6, 40], 7);
        const weight = inPanels(tf.tensor2d(w, [6, 40]), false);
        const ids = [39, 0, 31, 32, 0];
        await assertClose(
          panelRows(weight, tf.tensor1d(ids, 'int32')),
          ids.flatMap((id) => Array.from({ length: 6 }, (_, k) => w[k * 40 + id] as number)),
          0,
        );
        assert.throws(
          () => panelRows(weight, tf.tensor1d([40], 'int32')),
          /SparringPanelRows was given the id 40 of 40/,
        );
        assert.throws(() => panelMatMul(tf.zeros([2, 7]), weight), /SparringPanelMatMul takes rows as wide/);
        assert.throws(() => panelMatMul(tf.zeros([2, 6]), { ...weight, outputs: 90 }), /panels of another matrix/);
        assert.throws(
          () => mergePanels(weight, tf.zeros([6, 2]), tf.zeros([3, 40]), true),
          /SparringMergePanels takes a/,
        );
        assert.throws(() => run('SparringPanels', { x: tf.zeros([6, 40]) }, { sizes: [40, 6, 0] }), /of its sizes/);
      }),
    ),
  );
});
