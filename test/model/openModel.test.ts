import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { decode, embed, logits } from '../../src/model/decoder';
import { describeModel } from '../../src/model/describeModel';
import { generate } from '../../src/model/generate';
import { openModel } from '../../src/model/openModel';
import { decodeSafetensors, encodeSafetensors } from '../../src/model/safetensors';
import { targetLogProbs } from '../../src/tensor/losses';
import { farthest, startTestEngine, tinyFolder } from './golden';

before(startTestEngine);

const copy = () => {
  const folder = mkdtempSync(join(tmpdir(), 'sparring-'));
  cpSync(tinyFolder, folder, { recursive: true });
  return folder;
};
const change = (folder: string, name: string, fields: object) => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...fields }));
};

test('closing frees every tensor, twice is harmless', async () => {
  const before = tf.memory().numTensors;
  const model = await openModel(tinyFolder);
  const embeddings = tf.tidy(() => embed(model.weights, tf.tensor2d([1, 2], [1, 2], 'int32')));
  tf.dispose([embeddings, decode(model, model.weights, { embeddings }).hidden]);
  assert.ok(tf.memory().numTensors > before);
  model.close();
  model.close();
  assert.equal(tf.memory().numTensors, before);
});

test('shards give the same weights as one file', async () => {
  const folder = copy();
  const path = join(folder, 'model.safetensors');
  const tensors = decodeSafetensors(readFileSync(path));
  const names = Object.keys(tensors);
  const map: { [name: string]: string } = {};
  for (const part of [0, 1]) {
    const file = `model-0000${part + 1}-of-00002.safetensors`;
    const own = names.filter((_, i) => i % 2 === part);
    for (const name of own) map[name] = file;
    writeFileSync(join(folder, file), encodeSafetensors(Object.fromEntries(own.map((name) => [name, tensors[name]!]))));
  }
  rmSync(path);
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
  const [one, two] = [await openModel(tinyFolder), await openModel(folder)];
  const embeddings = [one, two].map(({ weights }) => (weights.embedding as tf.Tensor2D).dataSync());
  assert.deepEqual(embeddings[1], embeddings[0]);
  assert.deepEqual(
    (two.weights.layers[1]!.linear.down!.weight as tf.Tensor2D).dataSync(),
    (one.weights.layers[1]!.linear.down!.weight as tf.Tensor2D).dataSync(),
  );
  assert.notEqual(two.sha256, one.sha256);
  one.close();
  two.close();

  change(folder, 'model.safetensors.index.json', { weight_map: { ...map, x: '../secret' } });
  await assert.rejects(openModel(folder), /no plain name/);
  change(folder, 'model.safetensors.index.json', { weight_map: { ...map, x: 'absent.safetensors' } });
  await assert.rejects(openModel(folder), /absent.safetensors, which the index lists, is missing/);
});

test('the hash tells models apart, not their folders', async () => {
  const folder = copy();
  const [one, same] = [await openModel(tinyFolder), await openModel(folder)];
  assert.equal(one.sha256, same.sha256);
  one.close();
  same.close();
  change(folder, 'config.json', { rms_norm_eps: 1e-4 });
  const other = await openModel(folder);
  assert.notEqual(other.sha256, one.sha256);
  other.close();
});

test('each thing missing or broken is one problem with its file, and leaves no tensor', async () => {
  const before = tf.memory().numTensors;
  const attempt = async (breakIt: (folder: string) => void, file: string, says: RegExp) => {
    const folder = copy();
    breakIt(folder);
    await assert.rejects(openModel(folder), (error) => {
      assert.ok(error instanceof Problem, String(error));
      assert.ok(says.test(error.message), error.message);
      assert.equal(error.data.file, file ? join(folder, file) : folder);
      return true;
    });
    assert.equal(tf.memory().numTensors, before);
  };
  const put = (name: string, text: string) => (folder: string) => writeFileSync(join(folder, name), text);
  const remove = (name: string) => (folder: string) => rmSync(join(folder, name));
  await attempt((folder) => rmSync(folder, { recursive: true }), '', /no such model folder/);
  await attempt(remove('config.json'), 'config.json', /needs this file/);
  await attempt(put('config.json', '{'), 'config.json', /one JSON object/);
  await attempt(remove('tokenizer.json'), 'tokenizer.json', /needs this file/);
  await attempt(put('tokenizer.json', '[1]'), 'tokenizer.json', /one JSON object/);
  await attempt(put('tokenizer.json', '{"model":{"type":"Runes"}}'), 'tokenizer.json', /could not be read/);
  await attempt(
    (f) => change(f, 'tokenizer_config.json', { chat_template: 5 }),
    'tokenizer_config.json',
    /must be a text/,
  );
  await attempt(remove('model.safetensors'), '', /neither model.safetensors nor/);
  await attempt(put('model.safetensors', 'none'), 'model.safetensors', /4 bytes are no safetensors/);
  await attempt((f) => change(f, 'config.json', { vocab_size: 90 }), 'tokenizer.json', /do not belong together/);
  await attempt((f) => change(f, 'config.json', { intermediate_size: 40 }), 'model.safetensors', /asks for \[40,16\]/);
  await attempt((f) => change(f, 'config.json', { num_hidden_layers: 3 }), '', /model.layers.2.* is missing/);
  await attempt((f) => change(f, 'config.json', { tie_word_embeddings: false }), '', /lm_head.weight is missing/);
  await attempt((f) => change(f, 'config.json', { mlp_bias: true }), '', /bias is missing/);
});

test('weights that are NaN or infinite are refused by name', async () => {
  const folder = copy();
  const path = join(folder, 'model.safetensors');
  for (const [value, dtype, precision] of [
    [Number.NaN, 'F32', 'float32'],
    [Number.NEGATIVE_INFINITY, 'F32', 'float32'],
    [Number.NaN, 'F16', 'float16'],
    [Number.POSITIVE_INFINITY, 'BF16', 'bfloat16'],
    [Number.POSITIVE_INFINITY, 'BF16', 'nf4'],
  ] as const) {
    const tensors = decodeSafetensors(readFileSync(join(tinyFolder, 'model.safetensors')));
    tensors['model.layers.1.mlp.up_proj.weight']!.data[77] = value;
    const stored = Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, dtype }]);
    writeFileSync(path, encodeSafetensors(Object.fromEntries(stored)));
    await assert.rejects(openModel(folder, { precision }), (error) => {
      assert.ok(error instanceof Problem && error.data.file === path);
      assert.match(error.message, new RegExp(`model.layers.1.mlp.up_proj.weight holds ${value} at place 77`));
      return true;
    });
  }
});

test('nothing is written to a model folder', async () => {
  const folder = copy();
  const seen = () =>
    readdirSync(folder)
      .map((name) => `${name} ${statSync(join(folder, name)).mtimeMs} ${statSync(join(folder, name)).size}`)
      .join();
  const before = [statSync(folder).mtimeMs, seen()];
  const model = await openModel(folder);
  await generate(model, { prompts: [[1, 2]], maxNewTokens: 2 });
  model.close();
  describeModel(folder);
  assert.deepEqual([statSync(folder).mtimeMs, seen()], before);
});

const stories = join(__dirname, '..', '..', '..', 'shared', 'models', 'stories260K-llama');
test('a trained model from elsewhere gives its reference numbers', {
  skip: existsSync(stories) ? false : '../shared/models/stories260K-llama is absent',
}, async () => {
  const reference = JSON.parse(readFileSync(join(stories, 'reference.json'), 'utf8')) as {
    text: string;
    ids: number[];
    argmax: number[];
    last_logits_first8: number[];
    mean_nll: number;
  };
  const model = await openModel(stories);
  const { text, ids } = reference;
  assert.deepEqual(model.tokenizer.encode(text, { special: true }), ids);
  const all = tf.tidy(() => {
    const embeddings = embed(model.weights, tf.tensor2d(ids, [1, ids.length], 'int32'));
    const { hidden } = decode(model, model.weights, { embeddings });
    return logits(model.config, model.weights, tf.reshape(hidden, [ids.length, -1]));
  });
  assert.deepEqual(Array.from(tf.argMax(all, 1).dataSync()), reference.argmax);
  const values = all.dataSync();
  assert.ok(farthest(values.slice(-512, -504), reference.last_logits_first8) < 1e-4);
  const predicted = tf.slice(all, [0, 0], [ids.length - 1, -1]);
  const loss = -tf.mean(targetLogProbs(predicted, tf.tensor1d(ids.slice(1), 'int32'))).dataSync()[0]!;
  assert.ok(Math.abs(loss - reference.mean_nll) < 1e-4);
  assert.throws(() => model.chat.prompt([{ role: 'user', content: 'Hello' }]), /no chat template/);
  model.close();
});
