import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { Random } from '../../src/base/random';
import type { Json } from '../../src/model/fields';
import { ggufConfig } from '../../src/model/gguf/ggufConfig';
import { GgufFile, GgufSource } from '../../src/model/gguf/ggufSource';
import { ggufTokenizer } from '../../src/model/gguf/ggufTokenizer';
import { readConfig } from '../../src/model/readConfig';
import { parseSafetensorsHeader } from '../../src/model/safetensors';
import { SafetensorsSource } from '../../src/model/safetensorsSource';
import { tensorList } from '../../src/model/tensorList';
import { makeTokenizer } from '../../src/model/tokenizer';
import { temporaryFolder } from '../temporaryFolder';
import { goldenFolder, tinyFolder } from './golden';

const small = join(goldenFolder, 'families', 'qwen3');
const MUTATIONS = 10_000;
const EXTREMES = [0n, 1n, 0xffn, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n];

/** Another file: some of its bytes, numbers or parts changed, mostly in the first `header` bytes, where the meaning is. */
function mutate(original: Uint8Array, header: number, random: Random): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (let times = 1 + random.int(3); times > 0; times--) {
    const at = random.int(Math.max(1, Math.min(bytes.length, random.next() < 0.9 ? header : bytes.length)));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    switch (random.int(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
        break;
      case 1:
        bytes[at] = random.int(256);
        break;
      case 2:
        if (at + 8 <= bytes.length) view.setBigUint64(at, EXTREMES[random.int(EXTREMES.length)] ?? 0n, true);
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4: {
        const part = bytes.slice(at, at + 1 + random.int(40));
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...part, ...bytes.subarray(at)]);
        break;
      }
      case 5:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + random.int(20))]);
    }
  }
  return bytes;
}

/** Runs `use` on many mutations: it may succeed, or throw a Problem of one sentence. */
function fuzz(original: Uint8Array, header: number, count: number, use: (bytes: Uint8Array) => void): void {
  const random = new Random(count, 'fuzz');
  let refused = 0;
  const started = process.memoryUsage().rss;
  for (let i = 0; i < count; i++) {
    const bytes = mutate(original, header, random);
    const began = performance.now();
    try {
      use(bytes);
    } catch (error) {
      if (!(error instanceof Problem)) throw new Error(`mutation ${i}: ${String(error)}`, { cause: error });
      assert.ok(error.message.length < 1000, `mutation ${i} has an error of ${error.message.length} letters`);
      refused++;
    }
    assert.ok(performance.now() - began < 5000, `mutation ${i} hangs`);
  }
  assert.ok(refused > count / 4 && refused < count, `${refused} of ${count} were refused`);
  assert.ok(process.memoryUsage().rss - started < 1e9, 'memory grew by more than 1 GB');
}

test(`${MUTATIONS} mutations of a safetensors file are read or refused`, () => {
  const folder = temporaryFolder();
  const config = readConfig(JSON.parse(readFileSync(join(small, 'config.json'), 'utf8')), 'config.json');
  const list = tensorList(config);
  const original = readFileSync(join(small, 'model.safetensors'));
  const header = 8 + Number(original.readBigUInt64LE(0));
  fuzz(original, header, MUTATIONS, (bytes) => {
    writeFileSync(join(folder, 'model.safetensors'), bytes);
    const source = new SafetensorsSource(folder);
    try {
      for (const { name, shape } of list) source.read(name, shape);
    } finally {
      source.close();
    }
  });
});

test(`${MUTATIONS} mutations of the text of a safetensors header are read or refused`, () => {
  const original = readFileSync(join(small, 'model.safetensors'));
  const length = Number(original.readBigUInt64LE(0));
  const text = original.subarray(8, 8 + length);
  const values = [
    '-1',
    '1e400',
    '9007199254740993',
    '1152921504606846976',
    'null',
    '"x"',
    '[]',
    '{}',
    '[[1]]',
    '"F8"',
    '0.5',
  ];
  const random = new Random(2, 'values');
  fuzz(text, text.length, MUTATIONS, (bytes) => {
    let header = Buffer.from(bytes);
    if (random.next() < 0.5) {
      const found = [...header.toString('latin1').matchAll(/\d+|"F32"|\[[^[\]]*\]/g)];
      const one = found[random.int(Math.max(1, found.length))];
      if (one) {
        const [before, after] = [header.subarray(0, one.index), header.subarray(one.index + one[0].length)];
        header = Buffer.concat([before, Buffer.from(values[random.int(values.length)] ?? ''), after]);
      }
    }
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(header.length));
    const whole = Buffer.concat([size, header, original.subarray(8 + length)]);
    parseSafetensorsHeader(whole, whole.length, 'model.safetensors');
  });
});

/** Header, sizes and every weight, as opening a model reads them. */
function readModel(file: GgufFile): void {
  const config = readConfig(ggufConfig(file), file.path);
  const source = new GgufSource(file, config);
  const list = config.layers < 100 ? tensorList(config) : [];
  for (const { name, shape } of list) source.read(name, shape);
}

function readAllTypes(file: GgufFile): void {
  for (const [tensor, about] of file.header.tensors) if (tensor !== 'Q2_K') file.read(tensor, about);
}

function readTokenizer(file: GgufFile): void {
  const { tokenizerJson, tokenizerConfig } = ggufTokenizer(file);
  makeTokenizer(tokenizerJson, tokenizerConfig, file.path).encode('The iron gate.');
}

// Ten thousand in all: each part of the reader has a file whose header is mostly it.
const cases: readonly (readonly [name: string, count: number, header: number, use: (file: GgufFile) => void])[] = [
  ['qwen3', MUTATIONS / 2, 4000, readModel],
  ['types', MUTATIONS / 10, 800, readAllTypes],
  ['bytes', MUTATIONS / 5, 2816, readTokenizer],
  ['pieces', MUTATIONS / 5, 8640, readTokenizer],
];
for (const [name, count, header, use] of cases)
  test(`${count} mutations of a GGUF file (${name}) are read or refused`, () => {
    const path = join(temporaryFolder(), 'x.gguf');
    const original = readFileSync(join(goldenFolder, 'gguf', `${name}.gguf`));
    const attempt = (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      const file = new GgufFile(path);
      try {
        use(file);
      } finally {
        file.close();
      }
    };
    // Else nothing behind the first refusal would be tested.
    attempt(original);
    fuzz(original, header, count, attempt);
  });

test('2000 mutations of tokenizer.json are read or refused', () => {
  const text = readFileSync(join(tinyFolder, 'tokenizer.json'), 'utf8');
  const random = new Random(5, 'tokenizer');
  const parts = ['null', '-1', '1e99', '"x"', '[]', '{}', '[[["a"]]]', 'true', '""', '"(a+)+$"', '99999999999'];
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const found = [...text.matchAll(/"[^"]*"(?!:)|\d+|null|true|false|\{[^{}]*\}|\[[^[\]]*\]/g)];
    const one = found[random.int(found.length)] ?? assert.fail();
    const changed = text.slice(0, one.index) + random.pick(parts) + text.slice(one.index + one[0].length);
    let json: unknown;
    try {
      json = JSON.parse(changed);
    } catch {
      continue;
    }
    try {
      makeTokenizer(json as Json, {}, 'tokenizer.json').encode('The iron gate opens.');
    } catch (error) {
      assert.ok(
        error instanceof Problem,
        `${String(error)} for ${changed.slice(Math.max(0, one.index - 40), one.index + 40)}`,
      );
      refused++;
    }
  }
  assert.ok(refused > 50, `${refused} were refused`);
});
