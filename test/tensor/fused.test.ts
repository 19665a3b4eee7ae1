import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { dropoutKey, dropoutMask, dropped } from '../../src/model/dropout';
import * as fused from '../../src/tensor/fused';
import { freeCompiled, jit } from '../../src/tensor/jit';
import { assertBalanced } from '../../src/tensor/memory';
import { assertClose } from './close';
import { DEVICE, forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

/** Numbers that are no whole ones, of no order, the same each time. */
const wave = (shape: number[], speed: number): tf.Tensor =>
  tf.tensor(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 2 * Math.sin(i * speed + speed)),
    shape,
  );

type Function = (inputs: tf.Tensor[]) => tf.Tensor;

/** Value and gradients of both, weighted by other numbers, are equal; as one function as well. */
async function assertSame(
  inputs: tf.Tensor[],
  differentiable: number,
  one: Function,
  plain: Function,
  tolerance = 3e-6,
): Promise<void> {
  const weigh = (of: Function) => (given: tf.Tensor[]) => {
    const y = of(given);
    return tf.sum(tf.mul(y, wave(y.shape, 0.77)));
  };
  const valueAndGradients = (of: Function) =>
    tidyAsync(async () => {
      const rest = inputs.slice(differentiable);
      const { grads } = tf.valueAndGrads((...xs: tf.Tensor[]) => weigh(of)([...xs, ...rest]) as tf.Scalar)(
        inputs.slice(0, differentiable),
      );
      return Promise.all([of(inputs), ...grads].map(async (tensor) => [...(await tensor.data())]));
    });
  await assertBalanced(async () => {
    const wanted = await valueAndGradients(plain);
    await tidyAsync(async () => {
      for (const [i, numbers] of (await valueAndGradients(one)).entries())
        await assertClose(tf.tensor1d(numbers), wanted[i] as number[], tolerance);
    });
    const owner = {};
    await tidyAsync(async () => {
      const compiled = jit(owner, 'test', { inputs }, (args) => ({ y: one(args.inputs) }));
      await assertClose(compiled.y, wanted[0] as number[], tolerance);
    });
    freeCompiled(owner);
  });
}

forEachEngine((check) => {
  const only = (name: string, work: () => Promise<void>) =>
    check(name, async () => {
      if (!fused.hasFused())
        assert.ok(tf.getBackend() === 'webgpu' || DEVICE, 'the native engine and wasm have fused ops');
      else await work();
    });

  for (const [rows, size] of [
    [3, 37],
    [1, 16],
    [70, 384],
  ] as const) {
    only(`the norm of ${rows} rows of ${size}, alone and with a sum before it, is the plain formula`, async () => {
      const norm = (x: tf.Tensor, w: tf.Tensor) =>
        tf.mul(tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), w);
      const [x, more, w] = [wave([rows, size], 0.31), wave([rows, size], 0.57), wave([size], 0.9)];
      await assertSame(
        [x, w],
        2,
        ([a, b]) => fused.rmsNorm(a as tf.Tensor2D, b as tf.Tensor1D, 1e-5),
        ([a, b]) => norm(a as tf.Tensor, b as tf.Tensor),
        8e-6, // wasm's own sums add one number after the other
      );
      await assertSame(
        [x, more, w],
        3,
        ([a, b, c]) => {
          const both = fused.addRmsNorm(a as tf.Tensor2D, b as tf.Tensor2D, c as tf.Tensor1D, 1e-5);
          return tf.concat([both.sum, both.normed]);
        },
        ([a, b, c]) => {
          const sum = tf.add(a as tf.Tensor, b as tf.Tensor);
          return tf.concat([sum, norm(sum, c as tf.Tensor)]);
        },
        8e-6,
      );
      tf.dispose([x, more, w]);
    });
  }

  // Whole tiles and what is left of them; one row; inner sides longer than a panel, and such whose rows lie whole pages apart.
  for (const [rows, inner, columns] of [
    [28, 64, 96],
    [1, 5, 1],
    [45, 37, 70],
    [15, 2100, 33],
    [17, 2048, 40],
    [3, 1024, 7],
    [130, 18, 31],
  ] as const)
    only(`products of ${rows} x ${inner} x ${columns}, transposed or not, are TensorFlow's`, async () => {
      const product = async (transposeA: boolean, transposeB: boolean) => {
        const a = wave(transposeA ? [inner, rows] : [rows, inner], 0.37) as tf.Tensor2D;
        const b = wave(transposeB ? [columns, inner] : [inner, columns], 0.23) as tf.Tensor2D;
        const start = wave([rows, columns], 0.51) as tf.Tensor2D;
        await tidyAsync(async () => {
          const wanted = tf.matMul(a, b, transposeA, transposeB);
          await assertClose(fused.fusedMatMul(a, b, transposeA, transposeB), [...(await wanted.data())], 1e-6 * inner);
          if (transposeA || transposeB) return;
          const sum = tf.add(start, wanted);
          await assertClose(fused.addMatMul(start, a, b), [...(await sum.data())], 1e-6 * inner);
        });
        tf.dispose([a, b, start]);
      };
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) await product(transposeA, transposeB);
    });

  only('start + a b has the gradients of the plain formula; sums over nothing are 0', async () => {
    const inputs = [wave([13, 21], 0.3), wave([13, 8], 0.2), wave([8, 21], 0.1)];
    await assertSame(
      inputs,
      3,
      ([start, a, b]) => fused.addMatMul(start as tf.Tensor2D, a as tf.Tensor2D, b as tf.Tensor2D),
      ([start, a, b]) => tf.add(start as tf.Tensor, tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D)),
    );
    const [a, b] = [tf.zeros([3, 0]), tf.zeros([0, 2])] as [tf.Tensor2D, tf.Tensor2D];
    const zeros = fused.fusedMatMul(a, b);
    await assertClose(zeros, [0, 0, 0, 0, 0, 0], 0);
    tf.dispose([inputs, a, b, zeros]);
  });

  only('silu(gate) * up is the plain formula, far from zero too', async () => {
    const [gate, up] = [tf.mul(wave([5, 333], 0.23), 60), wave([5, 333], 0.41)];
    await assertSame(
      [gate, up],
      2,
      ([a, b]) => fused.swiglu(a as tf.Tensor2D, b as tf.Tensor2D),
      ([a, b]) => tf.mul(tf.mul(a as tf.Tensor, tf.sigmoid(a as tf.Tensor)), b as tf.Tensor),
    );
    tf.dispose([gate, up]);
  });

  for (const [length, past, window] of [
    [9, 0, 0],
    [21, 40, 0],
    [9, 0, 4],
    [3, 30, 7],
    [1, 5, 0],
  ] as const)
    only(`softmax over what ${length} queries behind ${past} see, window ${window}`, async () => {
      const seen = past + length;
      const mask = tf.tidy(() =>
        tf.tensor2d(
          Array.from({ length }, (_, t) =>
            Array.from({ length: seen }, (_, s) =>
              s <= past + t && (window === 0 || s > past + t - window) ? 0 : -1e9,
            ),
          ),
        ),
      );
      const scores = wave([4, 2 * length, seen], 0.37);
      const holes = tf.tensor2d([[0, 0]], [1, 2], 'int32');
      await assertSame(
        [scores],
        1,
        ([a]) => fused.causalSoftmax(a as tf.Tensor3D, { length, past, window, holes }),
        ([a]) =>
          tf.reshape(tf.softmax(tf.add(tf.reshape(a as tf.Tensor, [4, 2, length, seen]), mask)), [4, 2 * length, seen]),
      );
      tf.dispose([scores, mask, holes]);
    });

  for (const [rotary, tables] of [
    [8, 1],
    [4, 1],
    [8, 2],
    [0, 1],
  ] as const)
    only(`heads are laid out and turned by ${rotary} of 8 numbers, ${tables} tables; and back`, async () => {
      const layout = { batch: 2, heads: 6, keyValueHeads: 3, headDim: 8, rotary, scale: 0.7 };
      const [length, size] = [5, 8];
      const [x, cos, sin] = [
        wave([2 * length, 48], 0.29),
        wave([tables, length, size], 0.3),
        wave([tables, length, size], 0.7),
      ];
      const half = rotary / 2;
      const turned = (heads: tf.Tensor) => {
        const [a, b, rest] = tf.split(heads, [half, half, size - rotary], 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
        const angle = (table: tf.Tensor) =>
          tf.slice(tf.reshape(table, [tables, length, 1, size]), 0, [tables, length, 1, rotary]);
        const straight = tf.mul(tf.concat([a, b], 3), angle(cos));
        return tf.concat([tf.add(straight, tf.mul(tf.concat([tf.neg(b), a], 3), angle(sin))), rest], 3);
      };
      await assertSame(
        [x],
        1,
        ([a]) => fused.splitHeads(a as tf.Tensor2D, cos as tf.Tensor3D, sin as tf.Tensor3D, layout),
        ([a]) => {
          const four = tf.reshape(a as tf.Tensor, [2, length, 6, size]);
          const all = tf.mul(rotary > 0 ? turned(four) : four, 0.7);
          return tf.reshape(tf.transpose(all, [0, 2, 1, 3]), [6, 2 * length, size]);
        },
      );
      const heads = wave([6, 2 * length, size], 0.17);
      const straight = { ...layout, rotary: 0, scale: 1 };
      await assertSame(
        [heads],
        1,
        ([a]) => fused.mergeHeads(a as tf.Tensor3D, cos as tf.Tensor3D, sin as tf.Tensor3D, straight),
        ([a]) =>
          tf.reshape(tf.transpose(tf.reshape(a as tf.Tensor, [2, 6, length, size]), [0, 2, 1, 3]), [2 * length, 48]),
      );
      tf.dispose([x, cos, sin, heads]);
    });

  // Heads of whole tiles and others, more queries than are in memory at a time, tables and holes of one row or of each.
  for (const { group = 2, size, rotary = size, tables = 1, length, window = 0, holes = [[0, 0]] } of [
    { size: 16, length: 7 },
    { size: 64, length: 21, group: 3, rotary: 32, tables: 2 },
    { size: 24, length: 13, group: 1, rotary: 0, window: 4 },
    { size: 10, length: 70, rotary: 4, holes: [[3, 40]] },
    {
      size: 8,
      length: 12,
      group: 1,
      window: 5,
      holes: [
        [2, 6],
        [1, 9],
      ],
    },
    { size: 8, length: 1 },
  ] satisfies { [name: string]: number | number[][] }[] as {
    [name: string]: unknown;
    group?: number;
    size: number;
    rotary?: number;
    tables?: number;
    length: number;
    window?: number;
    holes?: number[][];
  }[])
    only(`attention of ${length} places, heads of ${size} in groups of ${group}, is its steps`, async () => {
      const layout = { batch: 2, heads: 3 * group, keyValueHeads: 3, headDim: size, rotary, scale: 0.1 / size };
      const still = { ...layout, rotary: 0, scale: 1 };
      const keys = { ...layout, heads: 3, scale: 1 };
      const [cos, sin] = [wave([tables, length, size], 0.3), wave([tables, length, size], 0.7)] as tf.Tensor3D[] as [
        tf.Tensor3D,
        tf.Tensor3D,
      ];
      const seen = { length, past: 0, window, holes: tf.tensor2d(holes, [holes.length, 2], 'int32') };
      const inputs = [layout.heads, 3, 3].map((n, i) => wave([2 * length, n * size], 0.21 + 0.1 * i));
      await assertSame(
        inputs,
        3,
        ([q, k, v]) =>
          fused.fusedAttention(
            { q: q as tf.Tensor2D, k: k as tf.Tensor2D, v: v as tf.Tensor2D },
            { cos, sin },
            layout,
            seen,
          ),
        ([q, k, v]) => {
          const split = (x: tf.Tensor | undefined, own: typeof layout) =>
            fused.splitHeads(x as tf.Tensor2D, cos, sin, own);
          const scores = tf.matMul(split(q, layout), split(k, keys), false, true) as tf.Tensor3D;
          const mixed = tf.matMul(fused.causalSoftmax(scores, seen), split(v, { ...keys, rotary: 0 })) as tf.Tensor3D;
          return fused.mergeHeads(mixed, cos, sin, still);
        },
      );
      tf.dispose([cos, sin, seen.holes, inputs]);
    });

  only('dropout drops what the mask of the other engines drops', async () => {
    const x = wave([41, 30], 0.2);
    for (const key of [5, -(2 ** 31), dropoutKey(3, 8)]) {
      const keyTensor = tf.tensor1d([key], 'int32');
      const rate = 0.1;
      await assertSame(
        [x],
        1,
        ([a]) => dropped(a as tf.Tensor2D, 'model.layers.1.mlp.down_proj', { rate, key, keyTensor }),
        ([a]) => tf.mul(a as tf.Tensor, dropoutMask([41, 30], 'model.layers.1.mlp.down_proj', { rate, key })),
      );
      // The rows from the eleventh on, by themselves.
      const rest = tf.slice(x, [11, 0]);
      await assertSame(
        [rest],
        1,
        ([a]) => dropped(a as tf.Tensor2D, 'm', { rate, key, keyTensor, first: 11 }),
        ([a]) => tf.mul(a as tf.Tensor, tf.slice(dropoutMask([41, 30], 'm', { rate, key }), [11, 0])),
      );
      rest.dispose();
      keyTensor.dispose();
    }
    x.dispose();
  });

  only('two answers behind one prompt do not see one another', async () => {
    // Two rows of 9 places: prompts of 3 and 4, answers of 2 and 3, then the other answer; the second row has no hole's end inside.
    const [rows, kv, group, length] = [2, 3, 2, 9];
    const places = [
      [3, 5],
      [4, 7],
    ] as const;
    const holes = tf.tensor2d(places.flat(), [2, 2], 'int32');
    const mask = tf.tensor4d(
      places.flatMap(([from, to]) =>
        Array.from({ length: length * length }, (_, i) => {
          const [t, s] = [Math.floor(i / length), i % length];
          return s <= t && !(t >= to && s >= from && s < to) ? 0 : -1e9;
        }),
      ),
      [rows, 1, length, length],
    );
    const scores = wave([rows * kv, group * length, length], 0.37);
    await assertSame(
      [scores],
      1,
      ([a]) => fused.causalSoftmax(a as tf.Tensor3D, { length, past: 0, window: 0, holes }),
      ([a]) => {
        const masked = tf.add(tf.reshape(a as tf.Tensor, [rows, kv * group, length, length]), mask);
        return tf.reshape(tf.softmax(masked), [rows * kv, group * length, length]);
      },
    );
    tf.dispose([scores, mask, holes]);
  });

  only('what is no number stays none: a model that has diverged is not hidden', async () => {
    await tidyAsync(async () => {
      const logits = tf.tensor2d([1, Number.NaN, 3, 1, Number.POSITIVE_INFINITY, 3, 1, 2, 3], [3, 3]);
      const logProbs = await fused.fusedTargetLogProbs(logits, tf.tensor1d([0, 0, 0], 'int32')).data();
      assert.deepEqual([...logProbs].map(Number.isFinite), [false, false, true]);
      const rows = [wave([3, 4], 1), wave([3, 4], 2), wave([3, 4], 3)] as tf.Tensor2D[] as [
        tf.Tensor2D,
        tf.Tensor2D,
        tf.Tensor2D,
      ];
      const broken = tf.mul(rows[0], tf.tensor2d([1, Number.NaN, 1], [3, 1])) as tf.Tensor2D;
      const table = tf.zeros([1, 3, 4]) as tf.Tensor3D;
      const layout = { batch: 1, heads: 1, keyValueHeads: 1, headDim: 4, rotary: 0, scale: 1 };
      const visible = { window: 0, holes: tf.zeros([1, 2], 'int32') as tf.Tensor2D };
      const attend = (q: tf.Tensor2D) =>
        fused.fusedAttention({ q, k: rows[1], v: rows[2] }, { cos: table, sin: table }, layout, visible);
      const finite = async (x: tf.Tensor) => [...(await x.data())].map(Number.isFinite);
      assert.deepEqual((await finite(attend(broken))).slice(4, 8), [false, false, false, false]);
      const back = tf.grad((q: tf.Tensor) => attend(q as tf.Tensor2D))(broken);
      assert.deepEqual((await finite(back)).slice(4, 8), [false, false, false, false]);
    });
  });

  only('what does not fit is an error that names the op, run at once or recorded', async () => {
    const [x, w] = [wave([2, 3], 1), wave([4], 1)];
    assert.throws(() => fused.rmsNorm(x as tf.Tensor2D, w as tf.Tensor1D, 0), /SparringRmsNorm takes rows/);
    const [three, four] = [wave([3, 5], 1), wave([4, 5], 1)] as tf.Tensor2D[] as [tf.Tensor2D, tf.Tensor2D];
    assert.throws(() => fused.fusedMatMul(three, four), /SparringMatMul was given matrices that do not fit/);
    assert.throws(() => fused.fusedMatMul(w as tf.Tensor2D, four), /SparringMatMul takes two matrices/);
    assert.throws(() => fused.addMatMul(three, three, tf.transpose(four)), /SparringAddMatMul takes a start/);
    tf.dispose([three, four]);
    const logits = wave([2, 3], 1) as tf.Tensor2D;
    const ids = tf.tensor1d([1, 3], 'int32');
    assert.throws(() => fused.fusedTargetLogProbs(logits, ids), /SparringTargetLogProbs was given the id 3 of 3/);
    const scores = wave([1, 4, 5], 1) as tf.Tensor3D;
    const hole = (from: number, to: number) => tf.tensor2d([from, to], [1, 2], 'int32');
    assert.throws(
      () => fused.causalSoftmax(scores, { length: 3, past: 2, window: 0, holes: hole(0, 0) }),
      /sizes that do not fit/,
    );
    assert.throws(
      () => fused.causalSoftmax(scores, { length: 4, past: -1, window: 0, holes: hole(0, 0) }),
      /the size -1/,
    );
    assert.throws(() => fused.causalSoftmax(scores, { length: 4, past: 1, window: 0, holes: hole(3, 6) }), /a hole/);
    const flat = [8, 4, 4].map((n) => wave([6, n], 1)) as tf.Tensor2D[] as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const [q, k, v] = flat;
    const table = wave([1, 3, 4], 1) as tf.Tensor3D;
    const layout = { batch: 2, heads: 2, keyValueHeads: 1, headDim: 4, rotary: 4, scale: 1 };
    const attend = (change: Partial<typeof layout>, holes = hole(0, 0), window = 0) =>
      fused.fusedAttention({ q, k, v }, { cos: table, sin: table }, { ...layout, ...change }, { window, holes });
    assert.deepEqual(attend({}).shape, [6, 8]);
    assert.throws(() => attend({ batch: 4 }), /SparringAttention/);
    assert.throws(() => attend({ keyValueHeads: 3 }), /SparringAttention/);
    assert.throws(() => attend({ headDim: 8 }), /SparringAttention/);
    assert.throws(() => attend({ rotary: 5 }), /SparringAttention/);
    assert.throws(() => attend({}, hole(2, 5)), /SparringAttention.*a hole/);
    tf.dispose([x, w, logits, ids, scores, flat, table]);
  });
});
