import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { meanEmbeddingNorm } from '../../src/attack/forward';
import { Random } from '../../src/base/random';
import { decode, embed, logits } from '../../src/model/decoder';
import { exportModel } from '../../src/model/exportModel';
import { generate } from '../../src/model/generate';
import type { Model } from '../../src/model/model';
import { modelFiles } from '../../src/model/modelFiles';
import { openModel, openTokenizer } from '../../src/model/openModel';
import { isPacked, multiplyPacked, ontoEngine, pack, unpack } from '../../src/model/packed';
import { hasFused, type PackedWeight, packedMatMul, packedRows } from '../../src/tensor/fused';
import { freeCompiled, jit, jitCounts } from '../../src/tensor/jit';
import { assertBalanced } from '../../src/tensor/memory';
import { biasedFolder, farthest, golden, tinyFolder } from '../model/golden';
import { temporaryFolder } from '../temporaryFolder';
import { assertClose } from './close';
import { DEVICE, forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

const kinds = ['bfloat16', 'float16', 'int8', 'nf4'] as const;

/** Small ones, too: float16 has fewer places for those below 2^-14. */
function numbers(count: number, seed: number): Float32Array {
  const random = new Random(seed, 'packed');
  return Float32Array.from({ length: count }, (_, i) => random.normal() * (i % 7 === 0 ? 1e-6 : 1));
}

/** x w^T, or x w, in double precision. w [outputs, inputs] */
function product(
  x: Float32Array,
  w: Float32Array,
  [rows, outputs, inputs]: readonly number[],
  back: boolean,
): number[] {
  const [inner = 0, columns = 0] = back ? [outputs, inputs] : [inputs, outputs];
  return Array.from({ length: (rows ?? 0) * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++)
      sum += (x[row * inner + k] ?? 0) * (w[back ? k * columns + column : column * inner + k] ?? 0);
    return sum;
  });
}

forEachEngine((check) => {
  for (const kind of kinds)
    check(`${kind}: products and gradients of any sizes are those of the unpacked matrix, compiled too`, async () => {
      // odd sizes begin rows within bytes and blocks; a panel's edge; more than a panel holds; whole blocks; more rows than one panel meets at a time
      for (const sizes of [
        [3, 1, 1],
        [4, 7, 30],
        [2, 33, 65],
        [9, 31, 27],
        [5, 70, 2100],
        [40, 96, 128],
        [600, 33, 2048],
      ] as const) {
        const [rows, outputs, inputs] = sizes;
        const matrix = pack(numbers(outputs * inputs, 1), outputs, inputs, kind);
        const w = unpack(matrix);
        const [xs, dys] = [numbers(rows * inputs, 2), numbers(rows * outputs, 3)];
        const tolerance = 4e-6 * Math.sqrt(Math.max(outputs, inputs)) * 4;
        await assertBalanced(() =>
          tidyAsync(async () => {
            const weight = ontoEngine(matrix);
            const [x, dy] = [tf.tensor2d(xs, [rows, inputs]), tf.tensor2d(dys, [rows, outputs])];
            const both = (given: { x: tf.Tensor2D; dy: tf.Tensor2D; weight: typeof weight }) => ({
              y: multiplyPacked(given.x, given.weight),
              dx: tf.grad((it) => multiplyPacked(it as tf.Tensor2D, given.weight))(given.x, given.dy),
            });
            const owner = {};
            const before = jitCounts().refused.length;
            const compiled = jit(owner, 'packed', { x, dy, weight }, both);
            for (const { y, dx } of [both({ x, dy, weight }), compiled]) {
              await assertClose(y, product(xs, w, sizes, false), tolerance);
              await assertClose(dx, product(dys, w, sizes, true), tolerance);
            }
            const again = jit(owner, 'packed', { x, dy, weight }, both);
            assert.deepEqual(await again.dx.data(), await compiled.dx.data());
            assert.equal(jitCounts().refused.length, before);
            freeCompiled(owner);
          }),
        );
      }
    });

  check('every number of 16 bits arrives as it is, and every code of 8 and 4 in every place', () =>
    tidyAsync(async () => {
      const size = 256;
      const patterns = Uint16Array.from({ length: size * size }, (_, i) => i);
      // none that is infinite, and of bfloat16 none so small that processors may take it for 0
      const halves = patterns.map((bits) => ((bits & 0x7c00) === 0x7c00 ? 0 : bits));
      const brains = patterns.map((bits) => ([0, 0x7f80].includes(bits & 0x7f80) ? 0 : bits));
      const form = { outputs: size, inputs: size };
      const sixteen = (kind: 'float16' | 'bfloat16', bits: Uint16Array) => ({
        ...{ ...form, kind, codes: new Uint8Array(bits.buffer), scales: new Float32Array(0) },
      });
      const values = numbers(size * size, 6);
      const matrices = [
        sixteen('float16', halves),
        sixteen('bfloat16', brains),
        pack(values, size, size, 'int8'),
        pack(values, size, size, 'nf4'),
      ];
      const one = tf.eye(size);
      for (const matrix of matrices) {
        const weight = ontoEngine(matrix);
        const w = unpack(matrix);
        const y = multiplyPacked(one, weight);
        const dx = tf.grad((x) => multiplyPacked(x as tf.Tensor2D, weight))(one, one);
        // -0 is 0 in a sum
        const exact = (got: Float32Array, want: Float32Array) => want.every((value, i) => (got[i] as number) === value);
        assert.ok(exact((await tf.transpose(y).data()) as Float32Array, w), matrix.kind);
        assert.ok(exact((await dx.data()) as Float32Array, w), matrix.kind);
      }
    }),
  );

  check('rows of a table in fewer bits are its rows, and an id that is none of them is refused', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        if (!hasFused()) return;
        for (const kind of kinds) {
          const matrix = pack(numbers(9 * 21, 7), 9, 21, kind);
          const weight = ontoEngine(matrix) as PackedWeight;
          const [ids, w] = [[8, 0, 3, 3], unpack(matrix)];
          const owner = {};
          const given = { weight, ids: tf.tensor1d(ids, 'int32') };
          const compiled = jit(owner, 'rows', given, (it) => ({ rows: packedRows(it.weight, it.ids) }));
          for (const rows of [packedRows(weight, given.ids), compiled.rows])
            assert.deepEqual(
              [...(await rows.data())],
              ids.flatMap((id) => [...w.slice(id * 21, (id + 1) * 21)]),
            );
          freeCompiled(owner);
          const none = tf.tensor1d([0, 9], 'int32');
          assert.throws(() => packedRows(weight, none), /SparringPackedRows was given the id 9 of 9/);
        }
      }),
    ),
  );

  check(
    'a model whose file has 16 bits has the same logits, tokens and norms in 16 bits, tables included',
    async () => {
      const folder = temporaryFolder();
      const files = modelFiles(tinyFolder);
      const { config } = openTokenizer(tinyFolder);
      const source = files.open(config);
      await exportModel({ files, config, source }, folder, { dtype: 'F16' });
      source.close();
      // tied, and untied, whose logits PyTorch has told
      for (const [place, expected] of [
        [folder, undefined],
        [biasedFolder, golden.tinyLlamaBiased.logits],
      ] as const) {
        const [whole, few] = [await openModel(place), await openModel(place, { precision: 'float16' })];
        assert.equal(isPacked(few.weights.embedding), hasFused());
        if (few.weights.head) assert.equal(isPacked(few.weights.head), hasFused());
        const { rows, greedy } = golden.tinyLlamaBiased;
        const scores = (model: Model, row: readonly number[]) =>
          tidyAsync(async () => {
            const { hidden } = decode(model, model.weights, {
              embeddings: embed(model.weights, tf.tensor2d([...row], [1, row.length], 'int32')),
            });
            return logits(model.config, model.weights, tf.reshape(hidden, [row.length, -1])).data();
          });
        for (const [i, row] of rows.entries()) {
          const found = await scores(few, row);
          assert.ok(farthest(found, await scores(whole, row)) < 2e-5);
          if (expected) assert.ok(farthest(found, expected[i] ?? []) < 1e-4);
        }
        for (const { prompt, ids } of expected ? greedy : [])
          assert.deepEqual(await generate(few, { prompts: [prompt], maxNewTokens: ids.length }), [ids]);
        const norms = [
          await meanEmbeddingNorm(whole.weights.embedding),
          await meanEmbeddingNorm(few.weights.embedding),
        ];
        assert.ok(Math.abs((norms[0] ?? 0) / (norms[1] ?? 0) - 1) < 1e-6);
        whole.close();
        few.close();
      }
    },
  );

  check('codes that do not fit are refused by every engine in the same words', () => {
    if (!hasFused()) assert.ok(tf.getBackend() === 'webgpu' || DEVICE, 'the native engine and wasm have fused ops');
    else
      tf.tidy(() => {
        const right = ontoEngine(pack(numbers(64, 1), 4, 16, 'nf4')) as PackedWeight;
        const x = tf.ones([2, 16]) as tf.Tensor2D;
        const attempt = (weight: PackedWeight, rows: tf.Tensor2D, expected: RegExp) =>
          assert.throws(() => packedMatMul(rows, weight), expected);
        const fewer = tf.tensor1d([1, 2, 3], 'int32');
        attempt({ ...right, codes: fewer }, x, /SparringPackedMatMul was given codes or scales that do not fit/);
        attempt(
          { ...right, scales: tf.ones([1]) },
          x,
          /SparringPackedMatMul was given codes or scales that do not fit/,
        );
        attempt({ ...right, kind: 'int8' }, x, /SparringPackedMatMul was given codes or scales that do not fit/);
        attempt(right, tf.ones([2, 4]), /SparringPackedMatMul takes rows as wide as the matrix/);
        const odd = { ...right, kind: 'nf3' as PackedWeight['kind'] };
        attempt(odd, x, /SparringPackedMatMul (was given the size -1|takes a kind)/);
      });
  });
});
