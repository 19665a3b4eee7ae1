import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { encodeAdapter, loadAdapter, saveAdapter } from '../../src/model/adapter';
import { decode, embed, logits } from '../../src/model/decoder';
import { dropoutKey, dropoutMask } from '../../src/model/dropout';
import {
  type Adapter,
  type AdapterRun,
  adapterParameters,
  createAdapter,
  freeAdapter,
  freeMerged,
  mergeAdapter,
  withParameters,
} from '../../src/model/lora';
import type { Model, Weights } from '../../src/model/model';
import { openModel } from '../../src/model/openModel';
import { decodeSafetensors } from '../../src/model/safetensors';
import { targetLogProbs } from '../../src/tensor/losses';
import { temporaryFolder } from '../temporaryFolder';
import { adapterFolder, farthest, golden, largest, startTestEngine, tinyFolder } from './golden';

before(startTestEngine);

const { rows, targetStarts } = golden.tinyLlama;
const rowLogits = (model: Model, row: readonly number[], run?: AdapterRun, weights: Weights = model.weights) =>
  tf.tidy(() => {
    const embeddings = embed(weights, tf.tensor2d([...row], [1, row.length], 'int32'));
    const { hidden } = decode(model, weights, { embeddings }, run);
    return logits(model.config, weights, tf.reshape(hidden, [row.length, -1]));
  });

test("logits with a PEFT adapter are PyTorch's, separate or merged", async () => {
  const model = await openModel(tinyFolder);
  const adapter = loadAdapter(adapterFolder, model.config);
  const merged = mergeAdapter(model.config, model.weights, adapter);
  rows.forEach((row, i) => {
    const separate = rowLogits(model, row, { adapter }).dataSync();
    assert.ok(farthest(separate, golden.adapter.logits[i]!) < 1e-4);
    assert.ok(farthest(rowLogits(model, row, undefined, merged).dataSync(), separate) < 5e-5);
    assert.ok(farthest(separate, golden.tinyLlama.logits[i]!) > 0.1, 'the adapter changes something');
  });
  const tensors = tf.memory().numTensors;
  freeMerged(merged, model.weights);
  assert.equal(tensors - tf.memory().numTensors, model.config.layers * 7);
  freeAdapter(adapter);
  model.close();
});

test("gradients with respect to the factors are PyTorch's", async () => {
  const model = await openModel(tinyFolder);
  const adapter = loadAdapter(adapterFolder, model.config);
  const parameters = adapterParameters(adapter);
  const names = Object.keys(parameters);
  const count = rows.reduce((sum, row, i) => sum + row.length - targetStarts[i]!, 0);
  const loss = (...factors: tf.Tensor[]) => {
    const moved = withParameters(adapter, Object.fromEntries(names.map((name, i) => [name, factors[i]!])));
    const sums = rows.map((row, i) => {
      const start = targetStarts[i]!;
      const all = rowLogits(model, row, { adapter: moved });
      const chosen = tf.slice(all, [start - 1, 0], [row.length - start, -1]);
      return tf.sum(targetLogProbs(chosen, tf.tensor1d(row.slice(start), 'int32')));
    });
    return tf.div(tf.addN(sums), -count) as tf.Scalar;
  };
  const { grads } = tf.valueAndGrads(loss)(names.map((name) => parameters[name]!));
  const expected = golden.adapter.gradients;
  assert.deepEqual([...names].sort(), Object.keys(expected).sort());
  const most = largest(Object.values(expected).flat());
  names.forEach((name, i) => {
    assert.ok(farthest(grads[i]!.dataSync(), expected[name]!) < 1e-4 * most, name);
  });
  freeAdapter(adapter);
  model.close();
});

test('an adapter written and read again is the same bit for bit, and so are the bytes', async () => {
  const model = await openModel(tinyFolder);
  const folder = temporaryFolder();
  const first = loadAdapter(adapterFolder, model.config);
  const sha256 = await saveAdapter(folder, first, { config: model.config, baseModel: 'tinyLlama' });
  const second = loadAdapter(folder, model.config);
  assert.deepEqual(second.options, first.options);
  const scales = (adapter: Adapter) => Object.values(adapter.factors).map(({ scale }) => scale);
  assert.deepEqual(scales(second), scales(first));
  for (const [name, tensor] of Object.entries(adapterParameters(first)))
    assert.deepEqual(adapterParameters(second)[name]!.dataSync(), tensor.dataSync(), name);
  assert.equal(await saveAdapter(folder, second, { config: model.config, baseModel: 'tinyLlama' }), sha256);
  // PEFT's own file holds the same names, shapes and numbers.
  const theirs = decodeSafetensors(readFileSync(join(adapterFolder, 'adapter_model.safetensors')));
  assert.deepEqual(decodeSafetensors(await encodeAdapter(first)), theirs);
  freeAdapter(first);
  freeAdapter(second);
  model.close();
});

test('a fresh adapter is seeded, changes nothing, and covers the named layers only', async () => {
  const model = await openModel(tinyFolder);
  const options = { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'down_proj'] };
  const [one, same, other] = [1, 1, 2].map((seed) => createAdapter(model.config, options, seed)) as [
    Adapter,
    Adapter,
    Adapter,
  ];
  assert.deepEqual(Object.keys(one.factors), [
    'model.layers.0.self_attn.q_proj',
    'model.layers.0.mlp.down_proj',
    'model.layers.1.self_attn.q_proj',
    'model.layers.1.mlp.down_proj',
  ]);
  const a = one.factors['model.layers.0.mlp.down_proj']!.a;
  assert.deepEqual(a.shape, [48, 3]);
  assert.ok(largest(a.dataSync()) <= 1 / Math.sqrt(48) && largest(a.dataSync()) > 0.9 / Math.sqrt(48));
  assert.deepEqual(a.dataSync(), same.factors['model.layers.0.mlp.down_proj']!.a.dataSync());
  assert.ok(farthest(a.dataSync(), other.factors['model.layers.0.mlp.down_proj']!.a.dataSync()) > 0.01);
  const row = rows[0]!;
  const change = farthest(rowLogits(model, row, { adapter: one }).dataSync(), rowLogits(model, row).dataSync());
  assert.equal(change, 0);
  assert.throws(
    () => createAdapter(model.config, { ...options, targets: ['lm_head'] }, 0),
    (error) => error instanceof Problem && error.data.code === 'loraTargets',
  );
  for (const adapter of [one, same, other]) freeAdapter(adapter);
  model.close();
});

test('dropout is given by seed and counter', async () => {
  const model = await openModel(tinyFolder);
  const adapter = loadAdapter(adapterFolder, model.config);
  const row = rows[0]!;
  const pass = (seed: number, counter: number, rate = 0.5) =>
    rowLogits(model, row, { adapter, dropout: { rate, key: dropoutKey(seed, counter) } }).dataSync();
  assert.deepEqual(pass(1, 1), pass(1, 1));
  assert.ok(farthest(pass(1, 1), pass(1, 2)) > 1e-3);
  assert.ok(farthest(pass(1, 1), pass(2, 1)) > 1e-3);
  const mask = dropoutMask([501, 33], 'x', { rate: 0.1, key: dropoutKey(1, 1) }).dataSync();
  const dropped = mask.filter((value) => value === 0).length / mask.length;
  assert.ok(Math.abs(dropped - 0.1) < 0.01);
  assert.ok(mask.every((value) => value === 0 || value === Math.fround(1 / 0.9)));
  assert.deepEqual(pass(1, 1, 0), rowLogits(model, row, { adapter }).dataSync());
  freeAdapter(adapter);
  model.close();
});

test('a folder that is no plain LoRA of this model gives one problem that says so', async () => {
  const model = await openModel(tinyFolder);
  const settings = JSON.parse(readFileSync(join(adapterFolder, 'adapter_config.json'), 'utf8')) as object;
  const weights = readFileSync(join(adapterFolder, 'adapter_model.safetensors'));
  const folder = temporaryFolder();
  const tensors = tf.memory().numTensors;
  const attempt = (change: object, says: RegExp) => {
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...settings, ...change }));
    writeFileSync(join(folder, 'adapter_model.safetensors'), weights);
    assert.throws(
      () => loadAdapter(folder, model.config),
      (error) => error instanceof Problem && says.test(error.message),
    );
  };
  attempt({ peft_type: 'IA3' }, /peft_type/);
  attempt({ use_dora: true }, /DoRA/);
  attempt({ modules_to_save: ['lm_head'] }, /modules_to_save/);
  attempt({ init_lora_weights: 'pissa' }, /changes the base model/);
  attempt({ lora_dropout: 2 }, /lora_dropout/);
  attempt({ lora_alpha: 'much' }, /lora_alpha must be a positive number/);
  attempt({ alpha_pattern: { '(a+)+': 4 } }, /plain paths/);
  attempt({ bias: 'all' }, /bias/);
  attempt({ rank_pattern: { q_proj: 4 } }, /has the shape/);
  attempt({ r: 3 }, /has the shape/);
  assert.throws(() => loadAdapter(adapterFolder, { ...model.config, layers: 1 }), /fits no layer/);
  assert.throws(() => loadAdapter(tinyFolder, model.config), /no PEFT adapter/);
  assert.equal(tf.memory().numTensors, tensors);
  model.close();
});
