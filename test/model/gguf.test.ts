import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { decode, embed, logits } from '../../src/model/decoder';
import { GgufFile } from '../../src/model/gguf/ggufSource';
import { ggufTokenizer } from '../../src/model/gguf/ggufTokenizer';
import { modelFiles } from '../../src/model/modelFiles';
import { openModel, openTokenizer } from '../../src/model/openModel';
import { tensorList } from '../../src/model/tensorList';
import { makeTokenizer } from '../../src/model/tokenizer';
import { temporaryFolder } from '../temporaryFolder';
import { familyCases, familyGolden } from './familyGolden';
import { biasedFolder, farthest, golden, goldenFolder, startTestEngine } from './golden';

// test/golden/makeGgufGolden.py made these files and says what they are.
const home = join(goldenFolder, 'gguf');
const json = (name: string): unknown => JSON.parse(readFileSync(join(home, name), 'utf8'));

before(startTestEngine);

test('numbers of every type are those of the gguf package, bit for bit', () => {
  const expected = json('types.json') as { [name: string]: number[] };
  const file = new GgufFile(join(home, 'types.gguf'));
  for (const [name, numbers] of Object.entries(expected)) {
    const tensor = file.header.tensors.get(name) ?? assert.fail(name);
    if (name === 'Q2_K') {
      assert.throws(() => file.read(name, tensor), /tensor Q2_K has the type Q2_K; supported: F32, F16, BF16, Q4_0/);
      continue;
    }
    const all = file.read(name, tensor);
    assert.equal(all.length, 4 * 512);
    const found = all.filter((_, i) => i % 7 === 0);
    assert.deepEqual(found, Float32Array.from(numbers), name);
    assert.ok(numbers.some((value) => value !== 0));
  }
  file.close();
});

for (const name of [
  'llamaLinear',
  'qwen2',
  'qwen3',
  'gemma',
  'gemma2',
  'gemma3',
  'phi3Long',
  'olmo2',
  'gpt2',
  'gptNeox',
])
  test(`${name}: the file holds the folder's model`, async () => {
    const { folder, expected } = familyCases[name] ?? assert.fail();
    const [from, to] = [modelFiles(folder()), modelFiles(join(home, `${name}.gguf`))];
    const { config: right } = openTokenizer(folder());
    const { config: found } = openTokenizer(join(home, `${name}.gguf`));
    const [theirs, ours] = [from.open(right), to.open(found)];
    for (const { name: tensor, shape } of tensorList(right)) {
      const distance = farthest(ours.read(tensor, shape), theirs.read(tensor, shape));
      // (w + 1) - 1 rounds in float32, wherever it is done.
      assert.ok(distance <= (right.family.norm === 'rms+1' ? 1e-7 : 0), `${tensor}: ${distance}`);
    }
    assert.deepEqual(
      ours.names().slice().sort(),
      tensorList(right)
        .map((one) => one.name)
        .sort(),
    );
    ours.close();
    theirs.close();
    if (name === 'qwen2' || name === 'gemma2') return; // Their window or query scale is no default, and the format does not say it.
    if (name === 'gemma3') return; // the same, and the base of its window's rope
    const model = await openModel(join(home, `${name}.gguf`));
    const { rows } = familyGolden;
    const width = Math.max(...rows.map((row) => row.length));
    const all = tf.tidy(() => {
      const ids = rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(0)]);
      const embeddings = embed(model.weights, tf.tensor2d(ids, [rows.length, width], 'int32'));
      const { hidden } = decode(model, model.weights, { embeddings });
      return logits(model.config, model.weights, tf.reshape(hidden, [rows.length * width, -1])).dataSync();
    });
    const v = model.config.vocabularySize;
    const own = rows.flatMap((row, i) => Array.from(all.slice(i * width * v, (i * width + row.length) * v)));
    assert.ok(farthest(own, expected('logits')) < 1e-4);
    model.close();
  });

test('Llama 3: permuted biases are put back, and the rope in a tensor of factors gives the same logits', async () => {
  const path = join(home, 'tinyLlamaBiased.gguf');
  const [from, to] = [modelFiles(biasedFolder), modelFiles(path)];
  const { config } = openTokenizer(path);
  const { config: right } = openTokenizer(biasedFolder);
  const [theirs, ours] = [from.open(right), to.open(config)];
  for (const { name, shape } of tensorList(right))
    assert.deepEqual(ours.read(name, shape), theirs.read(name, shape), name);
  assert.ok(right.attentionBias && config.attentionBias && config.mlpBias);
  ours.close();
  theirs.close();
  const model = await openModel(path);
  const { rows, logits: expected } = golden.tinyLlamaBiased;
  for (const [i, row] of rows.entries()) {
    const found = tf.tidy(() => {
      const embeddings = embed(model.weights, tf.tensor2d(row, [1, row.length], 'int32'));
      const { hidden } = decode(model, model.weights, { embeddings });
      return logits(model.config, model.weights, tf.reshape(hidden, [row.length, -1])).dataSync();
    });
    const apart = farthest(found, expected[i] ?? []);
    assert.ok(apart < 1e-4, `row ${i}: ${apart}`);
  }
  model.close();
});

test('tokenizers in a file give the ids that transformers gives', () => {
  const expected = json('tokenizers.json') as { [name: string]: { text: string; ids: number[]; special: number[] }[] };
  for (const [name, texts] of Object.entries(expected)) {
    const path = join(home, `${name}.gguf`);
    const file = new GgufFile(path);
    const { tokenizerJson, tokenizerConfig } = ggufTokenizer(file);
    file.close();
    const tokenizer = makeTokenizer(tokenizerJson, tokenizerConfig, path);
    for (const { text, ids, special } of texts) {
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      if (text !== '') assert.deepEqual(tokenizer.encode(text, { special: true }), special, JSON.stringify(text));
    }
    if (name === 'bytes') assert.match(String(tokenizerConfig['chat_template']), /<\|user\|>/);
  }
});

test('a tokenizer beside the file goes before the one in it; a folder with one such file is a model', () => {
  const folder = temporaryFolder();
  copyFileSync(join(home, 'qwen3.gguf'), join(folder, 'some-model.Q8_0.gguf'));
  const alone = openTokenizer(folder);
  assert.equal(alone.chat.hasTemplate, false);
  cpSync(join(goldenFolder, 'families', 'tokenizer'), folder, { recursive: true });
  writeFileSync(
    join(folder, 'chat_template.jinja'),
    '{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}',
  );
  const beside = openTokenizer(join(folder, 'some-model.Q8_0.gguf'));
  assert.equal(beside.chat.hasTemplate, true);
  assert.deepEqual(beside.tokenizer.encode('the iron gate'), alone.tokenizer.encode('the iron gate'));
  copyFileSync(join(home, 'qwen3.gguf'), join(folder, 'other.gguf'));
  assert.throws(() => openTokenizer(folder), /several GGUF files; name one: other.gguf, some-model.Q8_0.gguf/);
});

test('what is not supported or broken is one problem that says so', () => {
  const bytes = readFileSync(join(home, 'qwen3.gguf'));
  const path = join(temporaryFolder(), 'x.gguf');
  const attempt = (edit: (copy: Buffer) => Buffer, says: RegExp) => {
    writeFileSync(path, edit(Buffer.from(bytes)));
    assert.throws(
      () => {
        const { config } = openTokenizer(path);
        const source = modelFiles(path).open(config);
        try {
          for (const { name, shape } of tensorList(config)) source.read(name, shape);
        } finally {
          source.close();
        }
      },
      (error) => error instanceof Problem && error.data.file === path && says.test(error.message),
    );
  };
  const put64 = (at: number, value: bigint) => (copy: Buffer) => {
    copy.writeBigUInt64LE(value, at);
    return copy;
  };
  const put32 = (at: number, value: number) => (copy: Buffer) => {
    copy.writeUInt32LE(value, at);
    return copy;
  };
  const replaced = (from: string, to: string) => (copy: Buffer) => {
    assert.equal(from.length, to.length);
    const at = copy.indexOf(from);
    assert.ok(at >= 0, from);
    copy.write(to, at, 'latin1');
    return copy;
  };
  attempt((copy) => copy.subarray(0, 3), /too early/);
  attempt((copy) => copy.subarray(0, 2000), /claims|too early/);
  attempt((copy) => copy.subarray(0, copy.length - 40), /ends at byte \d+ of \d+/);
  attempt(replaced('GGUF', 'GGUX'), /does not begin as a GGUF file/);
  attempt(put32(4, 9), /version 9 is not supported/);
  attempt(put64(8, 2n ** 60n), /claims 1152921504606846976 tensors/);
  attempt(put64(16, 2n ** 64n - 1n), /claims 18446744073709551615 key-value pairs/);
  attempt(
    replaced('general.architecture', 'general.architectura'),
    /general.architecture must be a text, found nothing/,
  );
  attempt((copy) => {
    const at = copy.indexOf('general.architecture') + 'general.architecture'.length + 4 + 8;
    copy.write('mamba', at, 'latin1');
    return copy;
  }, /architecture "mamba" is not supported; supported: llama, qwen2/);
  attempt(replaced('blk.1.attn_q.weight', 'blk.1.attn_Q.weight'), /q_proj.weight is missing/);
  attempt(replaced('qwen3.block_count', 'qwen3.block_c0unt'), /qwen3.block_count must be a number, found nothing/);
  attempt(replaced('tokenizer.ggml.model', 'tokenizer.ggml.m0del'), /tokenizer.ggml.model must be a text/);
  attempt((copy) => {
    const at = copy.indexOf('tokenizer.ggml.pre') + 'tokenizer.ggml.pre'.length + 4 + 8;
    copy.write('gpt-9', at, 'latin1');
    return copy;
  }, /tokenizer.ggml.pre must be one of default, gpt-2/);
  attempt((copy) => {
    copy.writeFloatLE(Number.NaN, copy.length - 40);
    return copy;
  }, /holds NaN at place/);
});
