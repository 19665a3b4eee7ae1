import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/base/random';
import { type HeadLayout, hasFused, nextToken } from '../../src/tensor/fused';
import { freeCompiled, jit } from '../../src/tensor/jit';
import { assertBalanced } from '../../src/tensor/memory';
import { assertClose } from './close';
import { DEVICE, forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

const random = new Random(1, 'next token');
const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal());
const at = (values: ArrayLike<number>, i: number) => values[i] as number;

interface Case {
  layout: HeadLayout;
  places: number;
  wide: number;
  /** Per row: the first place seen, and its own. */
  seen: number[][];
  cap: number;
}

/** The same in double precision: what is computed, and the keys and values with the token in. */
function plain(
  { layout, places, wide, seen, cap }: Case,
  { q, k, v, cos, sin, keys, values }: { [name: string]: Float32Array },
) {
  const { batch, heads, keyValueHeads, headDim, rotary, scale } = layout;
  const [allKeys, allValues] = [[...(keys ?? [])], [...(values ?? [])]];
  const y: number[] = [];
  const turned = (from: Float32Array, first: number, b: number) =>
    Array.from({ length: headDim }, (_, d) => {
      const x = at(from, first + d);
      if (d >= rotary) return x;
      const half = rotary / 2;
      const other = d < half ? -at(from, first + d + half) : at(from, first + d - half);
      return x * at(cos as Float32Array, b * headDim + d) + other * at(sin as Float32Array, b * headDim + d);
    });
  for (let b = 0; b < batch; b++) {
    const [first = 0, own = 0] = seen[b] as number[];
    for (let h = 0; h < heads; h++) {
      const item = b * keyValueHeads + Math.floor((h * keyValueHeads) / heads);
      const head = item % keyValueHeads;
      turned(k as Float32Array, (b * keyValueHeads + head) * headDim, b).forEach((value, d) => {
        allKeys[(item * headDim + d) * places + own] = value;
        allValues[(item * places + own) * wide + d] = at(v as Float32Array, (b * keyValueHeads + head) * headDim + d);
      });
      const query = turned(q as Float32Array, (b * heads + h) * headDim, b);
      const scores = Array.from({ length: own + 1 - first }, (_, i) => {
        let sum = 0;
        for (let d = 0; d < headDim; d++)
          sum += at(query, d) * scale * at(allKeys, (item * headDim + d) * places + first + i);
        return cap > 0 ? cap * Math.tanh(sum / cap) : sum;
      });
      const most = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - most));
      const total = powers.reduce((a, p) => a + p, 0);
      for (let d = 0; d < headDim; d++)
        y.push(powers.reduce((a, p, i) => a + (p / total) * at(allValues, (item * places + first + i) * wide + d), 0));
    }
  }
  return { y, keys: allKeys, values: allValues };
}

forEachEngine((check) => {
  const only = (name: string, work: () => Promise<void>) =>
    check(name, async () => {
      if (hasFused()) await work();
      else assert.ok(tf.getBackend() === 'webgpu' || DEVICE, 'the native engine and wasm have fused ops');
    });
  const layouts: Case[] = [
    {
      layout: { batch: 1, heads: 1, keyValueHeads: 1, headDim: 4, rotary: 4, scale: 0.5 },
      places: 16,
      wide: 16,
      seen: [[0, 0]],
      cap: 0,
    },
    {
      layout: { batch: 2, heads: 6, keyValueHeads: 2, headDim: 20, rotary: 8, scale: 0.2 },
      places: 64,
      wide: 32,
      seen: [
        [0, 40],
        [7, 40],
      ],
      cap: 0,
    },
    {
      layout: { batch: 2, heads: 14, keyValueHeads: 2, headDim: 32, rotary: 0, scale: 1 },
      places: 32,
      wide: 32,
      seen: [
        [30, 31],
        [0, 31],
      ],
      cap: 5,
    },
  ];

  only('one more token sees what it may of the cache, and is written to it', async () => {
    for (const given of layouts) {
      const { layout, places, wide, seen, cap } = given;
      const { batch, heads, keyValueHeads, headDim } = layout;
      const q = numbers(batch * heads * headDim);
      const [k, v] = [numbers(batch * keyValueHeads * headDim), numbers(batch * keyValueHeads * headDim)];
      const angles = numbers(batch * headDim);
      const [cos, sin] = [angles.map((a) => Math.cos(a)), angles.map((a) => Math.sin(a))];
      const keys = numbers(batch * keyValueHeads * headDim * places);
      const values = numbers(batch * keyValueHeads * places * wide);
      const want = plain(given, { q, k, v, cos, sin, keys, values });
      await assertBalanced(() =>
        tidyAsync(async () => {
          const flat = {
            q: tf.tensor2d(q, [batch, heads * headDim]),
            k: tf.tensor2d(k, [batch, keyValueHeads * headDim]),
            v: tf.tensor2d(v, [batch, keyValueHeads * headDim]),
          };
          const tables = { cos: tf.tensor3d(cos, [batch, 1, headDim]), sin: tf.tensor3d(sin, [batch, 1, headDim]) };
          const visible = { seen: tf.tensor2d(seen.flat(), [batch, 2], 'int32'), cap: tf.tensor1d([cap]) };
          const owner = {};
          for (const compiled of [false, true]) {
            const room = {
              k: tf.tensor3d(keys, [batch * keyValueHeads, headDim, places]),
              v: tf.tensor3d(values, [batch * keyValueHeads, places, wide]),
            };
            const all = { flat, tables, room, visible };
            const compute = (it: typeof all) => nextToken(it.flat, it.tables, it.room, it.visible, layout);
            await assertClose(compiled ? jit(owner, 'next', all, compute) : compute(all), want.y, 2e-5);
            await assertClose(room.k, want.keys, 1e-6);
            await assertClose(room.v, want.values, 1e-6);
          }
          freeCompiled(owner);
        }),
      );
    }
  });

  only('a place that is none is refused', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        const { layout } = layouts[0] as Case;
        const call = (seen: number[], places = 16) =>
          nextToken(
            { q: tf.zeros([1, 4]), k: tf.zeros([1, 4]), v: tf.zeros([1, 4]) },
            { cos: tf.zeros([1, 1, 4]), sin: tf.zeros([1, 1, 4]) },
            { k: tf.zeros([1, 4, places]), v: tf.zeros([1, places, 16]) },
            { seen: tf.tensor2d(seen, [1, 2], 'int32'), cap: tf.zeros([1]) },
            layout,
          );
        for (const seen of [
          [0, 16],
          [-1, 3],
          [4, 3],
        ])
          assert.throws(() => call(seen), /SparringNextToken was given places that are none/);
        assert.throws(() => call([0, 3], 20), /SparringNextToken was given heads, tables or a cache/);
      }),
    ),
  );
});
