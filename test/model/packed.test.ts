import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { Random } from '../../src/base/random';
import { decode, embed, logits } from '../../src/model/decoder';
import { type AdapterRun, createAdapter, freeAdapter, freeMerged, mergeAdapter } from '../../src/model/lora';
import type { DecoderConfig, Weights } from '../../src/model/model';
import { openTokenizer } from '../../src/model/openModel';
import {
  freePacked,
  isInJavaScript,
  multiplyPacked,
  ontoEngine,
  pack,
  packedBytes,
  unpack,
} from '../../src/model/packed';
import { SafetensorsSource } from '../../src/model/safetensorsSource';
import type { WeightSource } from '../../src/model/weightSource';
import { freeWeights, loadWeights } from '../../src/model/weights';
import { familyCases } from './familyGolden';
import { farthest, goldenFolder, largest, startTestEngine, tinyFolder } from './golden';

// test/golden/makePackedGolden.py says what each number is.
const kinds = ['bfloat16', 'float16', 'int8', 'nf4'] as const;
type Kind = (typeof kinds)[number];
const golden = JSON.parse(readFileSync(join(goldenFolder, 'packed.json'), 'utf8')) as {
  [name in 'values' | Kind]: number[];
};

before(startTestEngine);

for (const kind of kinds)
  test(`${kind} gives the numbers of ${kind === 'nf4' ? 'bitsandbytes' : 'PyTorch'}`, () => {
    const matrix = pack(Float32Array.from(golden.values), 7, 30, kind);
    assert.ok(farthest(unpack(matrix), golden[kind]) < 1e-6);
    assert.ok(farthest(golden[kind], golden.values) > 1e-4, 'something was rounded');
    assert.equal(matrix.codes.length + 4 * matrix.scales.length, packedBytes(210, kind));
  });

test('from JavaScript memory, a product and its gradient are those of the unpacked matrix', () => {
  for (const kind of kinds) {
    const matrix = pack(Float32Array.from(golden.values), 7, 30, kind);
    const whole = tf.transpose(tf.tensor2d(unpack(matrix), [7, 30])) as tf.Tensor2D;
    const x = tf.randomNormal([4, 30], 0, 1, 'float32', 1) as tf.Tensor2D;
    const dy = tf.randomNormal([4, 7], 0, 1, 'float32', 2);
    const [one, other] = [
      (rows: tf.Tensor) => multiplyPacked(rows as tf.Tensor2D, matrix),
      (rows: tf.Tensor) => tf.matMul(rows as tf.Tensor2D, whole),
    ];
    assert.ok(farthest(one(x).dataSync(), other(x).dataSync()) < 1e-5);
    assert.ok(farthest(tf.grad(one)(x, dy).dataSync(), tf.grad(other)(x, dy).dataSync()) < 1e-5);
  }
});

/** The same weights, but every linear layer rounded as `kind` rounds it. */
const rounded = (source: WeightSource, config: DecoderConfig, kind: Kind): WeightSource => ({
  place: source.place,
  names: () => source.names(),
  has: (name) => source.has(name),
  sixteenBits: (name) => source.sixteenBits(name),
  close: () => source.close(),
  read: (name, shape) => {
    const values = source.read(name, shape);
    const isLinear = Object.values(config.family.linear).some((path) => name.endsWith(`${path}.weight`));
    const [outputs, inputs] = shape as [number, number];
    // The one family that stores [in, out] is left to its own test.
    return isLinear ? unpack(pack(values, outputs, inputs, kind)) : values;
  },
});

for (const name of ['tinyLlama', 'phi3', 'gemma3', 'gptNeox'])
  for (const kind of kinds)
    test(`${name} in ${kind}: logits and gradients are those of float32 weights that were rounded alike`, () => {
      const folder = name === 'tinyLlama' ? tinyFolder : (familyCases[name]?.folder() ?? '');
      const { config } = openTokenizer(folder);
      const source = new SafetensorsSource(folder);
      const [few, whole] = [loadWeights(source, config, kind), loadWeights(rounded(source, config, kind), config)];
      source.close();
      const ids = tf.tensor2d([5, 6, 7, 8, 9, 10], [2, 3], 'int32');
      const pass = (weights: Weights, x: tf.Tensor, run?: AdapterRun) => {
        const { hidden } = decode({ config }, weights, { embeddings: x as tf.Tensor3D }, run);
        return logits(config, weights, tf.reshape(hidden, [6, -1]));
      };
      const adapter = createAdapter(config, { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' }, 3);
      for (const factors of Object.values(adapter.factors))
        factors.b = tf.randomNormal(factors.b.shape, 0, 0.1, 'float32', 4);
      const x = embed(whole, ids);
      const scores = (weights: Weights, run?: AdapterRun) => tf.tidy(() => pass(weights, x, run).dataSync());
      assert.ok(farthest(scores(few), scores(whole)) < 2e-5);
      const expected = scores(whole, { adapter });
      assert.ok(farthest(expected, scores(whole)) > 1e-2, 'the adapter changes something');
      assert.ok(farthest(scores(few, { adapter }), expected) < 2e-5);
      const merged = mergeAdapter(config, few, adapter);
      assert.ok(farthest(scores(merged), expected) < 2e-5);
      const gradient = (weights: Weights) =>
        tf.tidy(() =>
          tf
            .grad((rows) => tf.sum(tf.square(pass(weights, rows))))(x)
            .dataSync(),
        );
      const wanted = gradient(whole);
      assert.ok(farthest(gradient(few), wanted) < 1e-5 * largest(wanted));
      freeMerged(merged, few);
      freeAdapter(adapter);
      freeWeights(few);
      freeWeights(whole);
    });

test('a code is that of the nearest number of all 16', () => {
  const matrix = pack(Float32Array.of(1, ...Array.from({ length: 63 }, (_, i) => i / 31 - 1)), 1, 64, 'nf4');
  const book = new Set(
    unpack({ ...matrix, codes: Uint8Array.from({ length: 8 }, (_, i) => 2 * i + 16 * (2 * i + 1)), inputs: 16 }),
  );
  assert.equal(book.size, 16);
  const random = new Random(3, 'shares');
  const shares = Float32Array.from({ length: 64 * 1000 }, (_, i) => (i % 64 === 0 ? 1 : 2 * random.next() - 1));
  unpack(pack(shares, 1000, 64, 'nf4')).forEach((value, i) => {
    const share = shares[i] as number;
    for (const other of book) assert.ok(Math.abs(share - value) <= Math.abs(share - other), `${share} became ${value}`);
  });
});

test('a matrix as large as models have reaches the engine whole', () => {
  const before = tf.memory().numTensors;
  const matrix = ontoEngine(pack(new Float32Array(2 ** 24).fill(0.5), 4096, 4096, 'nf4'));
  assert.ok(!isInJavaScript(matrix));
  assert.deepEqual([matrix.codes.shape, matrix.scales.shape], [[2 ** 24 / 8], [16 + 2 ** 24 / 64]]);
  const row = tf.ones([1, 4096]) as tf.Tensor2D;
  const y = multiplyPacked(row, matrix);
  assert.ok([...y.dataSync()].every((value) => value === 2048));
  freePacked(matrix);
  tf.dispose([row, y]);
  assert.equal(tf.memory().numTensors, before);
});

test('what float16 cannot hold is refused by its name', () => {
  const { config } = openTokenizer(tinyFolder);
  const source = new SafetensorsSource(tinyFolder);
  const large: WeightSource = {
    place: source.place,
    names: () => source.names(),
    has: (name) => source.has(name),
    sixteenBits: (name) => source.sixteenBits(name),
    close: () => source.close(),
    read: (name, shape) => source.read(name, shape).map((value) => value * 1e7),
  };
  const before = tf.memory().numTensors;
  assert.throws(
    () => loadWeights(large, config, 'float16'),
    (error: unknown) =>
      error instanceof Problem && /self_attn\.q_proj\.weight .*float16; choose precision: bfloat16/.test(error.message),
  );
  assert.equal(tf.memory().numTensors, before);
  freeWeights(loadWeights(large, config, 'bfloat16'));
  source.close();
});

test('what a gradient needs does not grow with the number of layers', () => {
  const { config } = openTokenizer(tinyFolder);
  const source = new SafetensorsSource(tinyFolder);
  const held = (precision: 'float32' | 'nf4') => {
    const before = tf.memory().numBytes;
    const weights = loadWeights(source, config, precision);
    const bytes = tf.memory().numBytes - before;
    freeWeights(weights);
    assert.equal(tf.memory().numBytes, before);
    return bytes;
  };
  // The engine rounds outputs up to 32, and has a scale for 16 inputs where so few are no whole block.
  const shapes = [...[16, 16, 8, 8, 48, 48].map((outputs) => ({ outputs, inputs: 16 })), { outputs: 16, inputs: 48 }];
  const saved = shapes.map(({ outputs, inputs }) => {
    const wide = Math.ceil(outputs / 32) * 32;
    return 4 * outputs * inputs - ((wide * inputs) / 2 + 4 * (wide * (inputs / 16) + 16));
  });
  assert.equal(held('float32') - held('nf4'), config.layers * saved.reduce((a, b) => a + b, 0));
  source.close();
  // Every matrix made for a pass is gone when the pass is, though the tape still runs.
  const matrix = pack(Float32Array.from(golden.values), 7, 30, 'nf4');
  const x = tf.ones([1, 30]) as tf.Tensor2D;
  const alive: number[] = [];
  tf.grad((rows) => {
    const start = tf.memory().numBytes;
    const parts = [1, 2, 3].map(() => {
      const y = multiplyPacked(rows as tf.Tensor2D, matrix);
      alive.push(tf.memory().numBytes - start);
      return y;
    });
    return tf.sum(tf.addN(parts));
  })(x).dispose();
  assert.deepEqual(alive, [28, 56, 84]);
});
