import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { loadAdapter } from '../../src/model/adapter';
import { decode, embed, logits } from '../../src/model/decoder';
import { encodeFloats } from '../../src/model/encodeFloats';
import { type ExportOptions, exportModel } from '../../src/model/exportModel';
import { freeAdapter } from '../../src/model/lora';
import { modelFiles } from '../../src/model/modelFiles';
import { openModel, openTokenizer } from '../../src/model/openModel';
import { decodeFloats, decodeSafetensors } from '../../src/model/safetensors';
import { SafetensorsSource } from '../../src/model/safetensorsSource';
import { tensorList } from '../../src/model/tensorList';
import { temporaryFolder } from '../temporaryFolder';
import { familyCases, familyGolden } from './familyGolden';
import { farthest, goldenFolder, startTestEngine } from './golden';

before(startTestEngine);

async function exported(
  from: string,
  options: Omit<ExportOptions, 'adapter'>,
  adapterFolder?: string,
): Promise<string> {
  const to = join(temporaryFolder(), 'exported');
  const { config } = openTokenizer(from);
  const source = new SafetensorsSource(from);
  const adapter = adapterFolder === undefined ? undefined : loadAdapter(adapterFolder, config);
  await exportModel({ files: modelFiles(from), config, source }, to, { ...options, adapter });
  source.close();
  if (adapter) freeAdapter(adapter);
  return to;
}

async function rowLogits(folder: string): Promise<number[]> {
  const model = await openModel(folder);
  const found = familyGolden.rows.flatMap((row) =>
    Array.from(
      tf.tidy(() => {
        const { hidden } = decode(model, model.weights, {
          embeddings: embed(model.weights, tf.tensor2d([row], [1, row.length], 'int32')),
        });
        return logits(model.config, model.weights, tf.reshape(hidden, [row.length, -1])).dataSync();
      }),
    ),
  );
  model.close();
  return found;
}

for (const [name, { folder, expected, modelType }] of Object.entries(familyCases))
  test(`${name}: with the adapter merged in, the exported folder gives PEFT's logits`, async () => {
    const tensors = tf.memory().numTensors;
    const to = await exported(folder(), { dtype: 'F32' }, join(folder(), 'adapter'));
    assert.equal(tf.memory().numTensors, tensors);
    // Rows one by one: where frequencies depend on the batch's length, the golden batch is of the longest.
    if (!/Dynamic|Long/.test(name)) assert.ok(farthest(await rowLogits(to), expected('adapted')) < 1e-4);
    // Names and shapes are those of the file it came from, and of the list.
    const shapes = (path: string) =>
      Object.entries(decodeSafetensors(readFileSync(path)))
        .map(([tensor, { shape }]) => `${tensor} ${shape}`)
        .sort();
    assert.deepEqual(shapes(join(to, 'model.safetensors')), shapes(join(folder(), 'model.safetensors')));
    const { config } = openTokenizer(to);
    assert.deepEqual(
      shapes(join(to, 'model.safetensors')),
      tensorList(config)
        .map((one) => `${one.name} ${one.shape}`)
        .sort(),
    );
    assert.equal(config.modelType, modelType);
  });

test('without an adapter, in the type it has, the weights are the same bytes, in one file or in many', async () => {
  const from = familyCases['qwen3']!.folder();
  const whole = await exported(from, { dtype: 'BF16' });
  const theirs = decodeSafetensors(readFileSync(join(from, 'model.safetensors')));
  assert.deepEqual(decodeSafetensors(readFileSync(join(whole, 'model.safetensors'))), theirs);
  const parts = await exported(from, { dtype: 'BF16', shardBytes: 4000 });
  const files = readdirSync(parts).filter((file) => file.endsWith('.safetensors'));
  assert.ok(files.length > 3 && files.includes(`model-00001-of-0000${files.length}.safetensors`), files.join());
  const index = JSON.parse(readFileSync(join(parts, 'model.safetensors.index.json'), 'utf8')) as {
    metadata: { total_size: number };
    weight_map: { [name: string]: string };
  };
  assert.equal(index.metadata.total_size, 2 * Object.values(theirs).reduce((sum, { data }) => sum + data.length, 0));
  assert.deepEqual(Object.keys(index.weight_map).sort(), Object.keys(theirs).sort());
  assert.deepEqual(await rowLogits(parts), await rowLogits(whole));
  const config = JSON.parse(readFileSync(join(parts, 'config.json'), 'utf8')) as { dtype?: string };
  assert.equal(config.dtype, 'bfloat16');
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    assert.deepEqual(readFileSync(join(parts, file)), readFileSync(join(from, file)));
});

test('config.json is as it was but for the type of numbers, points of whole floats included', async () => {
  for (const [name, field] of [
    ['gemma2', 'dtype'],
    ['qwen2', 'torch_dtype'],
  ] as const) {
    const from = familyCases[name]!.folder();
    const text = (folder: string) => readFileSync(join(folder, 'config.json'), 'utf8');
    const to = await exported(from, { dtype: 'F32' });
    assert.notEqual(text(to), text(from));
    assert.equal(text(to).replace(`"${field}": "float32"`, `"${field}": "bfloat16"`), text(from));
  }
  const files = modelFiles(join(goldenFolder, 'gguf', 'gemma2.gguf'));
  const { config } = openTokenizer(files.place);
  const source = files.open(config);
  const to = join(temporaryFolder(), 'to');
  await exportModel({ files, config, source }, to, { dtype: 'F16' });
  source.close();
  const written = readFileSync(join(to, 'config.json'), 'utf8');
  assert.match(written, /"final_logit_softcapping": 3\.0,/);
  assert.match(written, /"dtype": "float16",/);
});

test('nothing is overwritten, and a failure leaves no half file under the name of a whole one', async () => {
  const from = familyCases['qwen3']!.folder();
  const { config } = openTokenizer(from);
  const source = new SafetensorsSource(from);
  await assert.rejects(
    exportModel({ files: modelFiles(from), config, source }, from, { dtype: 'F32' }),
    (error) => error instanceof Problem && /not empty/.test(error.message),
  );
  const to = join(temporaryFolder(), 'to');
  let left = 3;
  const failing = {
    place: from,
    names: () => source.names(),
    has: (name: string) => source.has(name),
    sixteenBits: () => undefined,
    close: () => undefined,
    read: (name: string, shape: readonly number[]) => {
      if (left-- === 0) throw new Problem('weights', 'gone');
      return source.read(name, shape);
    },
  };
  await assert.rejects(exportModel({ files: modelFiles(from), config, source: failing }, to, { dtype: 'F32' }), /gone/);
  assert.ok(!existsSync(to) && !existsSync(`${to}.partial`));
  source.close();
});

test('a link out of the model folder is not copied', async () => {
  const from = temporaryFolder();
  cpSync(familyCases['qwen3']!.folder(), from, { recursive: true });
  const files = modelFiles(from);
  const { config } = openTokenizer(from);
  const secret = join(temporaryFolder(), 'secret');
  writeFileSync(secret, '{}');
  symlinkSync(secret, join(from, 'merges.txt'));
  const source = files.open(config);
  const to = join(temporaryFolder(), 'to');
  await assert.rejects(exportModel({ files, config, source }, to, { dtype: 'F32' }), /leads out/);
  assert.ok(!existsSync(to));
  source.close();
});

test('a GGUF file becomes a folder that has its weights, config and tokenizer', async () => {
  const files = modelFiles(join(goldenFolder, 'gguf', 'gptNeox.gguf'));
  const { config } = openTokenizer(files.place);
  const source = files.open(config);
  const to = join(temporaryFolder(), 'to');
  await exportModel({ files, config, source }, to, { dtype: 'F32' });
  source.close();
  const { folder, expected } = familyCases['gptNeox']!;
  assert.deepEqual(readdirSync(to).sort(), [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const [found, theirs] = [to, folder()].map((place) =>
    decodeSafetensors(readFileSync(join(place, 'model.safetensors'))),
  );
  assert.deepEqual(found, theirs);
  assert.ok(farthest(await rowLogits(to), expected('logits')) < 1e-4);
});

test('numbers are rounded to the nearest of their type, ties to even', () => {
  const bits = (value: number, dtype: 'F16' | 'BF16') =>
    new Uint16Array(encodeFloats(Float32Array.of(value), dtype).buffer)[0];
  assert.equal(bits(1, 'BF16'), 0x3f80);
  assert.equal(bits(1 + 2 ** -8, 'BF16'), 0x3f80);
  assert.equal(bits(1 + 3 * 2 ** -8, 'BF16'), 0x3f82);
  assert.equal(bits(1 + 2 ** -8 + 2 ** -20, 'BF16'), 0x3f81);
  assert.equal(bits(-3.4e38, 'BF16'), 0xff80);
  assert.equal(bits(Number.POSITIVE_INFINITY, 'BF16'), 0x7f80);
  assert.ok(Number.isNaN(decodeFloats(encodeFloats(Float32Array.of(Number.NaN), 'BF16'), 'BF16')[0]));
  assert.equal(bits(65520, 'F16'), 0x7c00);
  assert.equal(bits(2 ** -24, 'F16'), 1);
  assert.equal(bits(2 ** -25, 'F16'), 0);
});
