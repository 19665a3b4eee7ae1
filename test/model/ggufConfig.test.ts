import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { ggufConfig } from '../../src/model/gguf/ggufConfig';
import { GgufFile } from '../../src/model/gguf/ggufSource';
import { readConfig } from '../../src/model/readConfig';
import { temporaryFolder } from '../temporaryFolder';
import { ggufEdited, type Written } from './ggufEdited';
import { goldenFolder } from './golden';

const home = join(goldenFolder, 'gguf');
const path = join(temporaryFolder(), 'x.gguf');

function configOf(name: string, keys: { readonly [key: string]: Written }): { readonly [field: string]: unknown } {
  writeFileSync(path, ggufEdited(readFileSync(join(home, `${name}.gguf`)), keys));
  const file = new GgufFile(path);
  try {
    const config = ggufConfig(file);
    readConfig(config, path);
    return config;
  } finally {
    file.close();
  }
}
const refused = (name: string, keys: { readonly [key: string]: Written }, says: RegExp) =>
  assert.throws(
    () => configOf(name, keys),
    (error) => error instanceof Problem && error.data.file === path && says.test(error.message),
  );

test('settings that would change the numbers are refused where they are not followed', () => {
  refused('qwen3', { 'split.count': 3 }, /split into 3 files; join them with gguf-split/);
  refused('qwen3', { 'general.type': 'adapter' }, /general.type must be model .*, found adapter/);
  refused('llamaLinear', { 'llama.expert_count': 8 }, /mixtures of experts are not supported/);
  refused('olmo2', { 'olmo2.attention.sliding_window': 4096 }, /layers that see a window are not supported for olmo2/);
  refused('qwen3', { 'qwen3.attention.head_count': 'four' }, /qwen3.attention.head_count must be a number, found four/);
  refused('qwen3', { 'qwen3.attention.head_count': 0 }, /num_attention_heads must be a positive number/);
  refused('gemma3', { 'gemma3.attention.sliding_window_pattern': [true] }, /layer_types must be a list of \d+/);
});

test('scaling of the rope as llama.cpp reads it', () => {
  const scaled = (keys: { readonly [key: string]: Written }) => configOf('qwen3', keys)['rope_scaling'];
  const at = (name: string) => `qwen3.rope.scaling.${name}`;
  assert.equal(scaled({}), undefined);
  assert.deepEqual(scaled({ [at('factor')]: 4 }), { rope_type: 'linear', factor: 4 });
  assert.deepEqual(scaled({ 'qwen3.rope.scale_linear': 2 }), { rope_type: 'linear', factor: 2 });
  assert.equal(scaled({ [at('type')]: 'none', [at('factor')]: 4 }), undefined);
  assert.equal(scaled({ [at('type')]: 'linear', [at('factor')]: 1 }), undefined);
  const yarn = { [at('type')]: 'yarn', [at('factor')]: 4, [at('original_context_length')]: 32 };
  const expected = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 };
  assert.deepEqual(scaled(yarn), { ...expected, beta_fast: undefined, beta_slow: undefined });
  assert.deepEqual(scaled({ ...yarn, [at('yarn_beta_fast')]: 16, [at('yarn_beta_slow')]: 2, [at('attn_factor')]: 1 }), {
    ...expected,
    beta_fast: 16,
    beta_slow: 2,
  });
  refused('qwen3', { ...yarn, [at('yarn_attn_factor')]: 2 }, /yarn_attn_factor must be 1 \(another is not supported\)/);
  refused('qwen3', { [at('type')]: 'yarn' }, /rope.scaling.factor must be a number, found nothing/);
  refused('qwen3', { [at('type')]: 'longrope' }, /rope.scaling.type must be none, linear or yarn/);
  refused(
    'phi3Long',
    { 'phi3.rope.dimension_count': 2 },
    /rope_factors_long.weight has the shape \[\d+\].* ask for \[1\]/,
  );
});

test('which layers see a window, and how their rope turns', () => {
  const gemma3 = (keys: { readonly [key: string]: Written }) => readConfig(configOf('gemma3', keys), path);
  const { layers } = gemma3({});
  const list = Array.from({ length: layers }, (_, n) => n % 2 === 1);
  assert.deepEqual(gemma3({ 'gemma3.attention.sliding_window_pattern': list }).windowed, list);
  assert.deepEqual(
    gemma3({ 'gemma3.attention.sliding_window_pattern': 2 }).windowed,
    list.map((one) => !one),
  );
  assert.equal(gemma3({ 'gemma3.rope.freq_base_swa': 5000 }).windowRope?.theta, 5000);
  assert.equal(configOf('gemma3', { 'gemma3.attention.sliding_window': 0 })['sliding_window'], null);
  // The first files of Gemma 2 leave it away.
  const bytes = readFileSync(join(home, 'gemma2.gguf'));
  bytes.write('~', bytes.indexOf('gemma2.attention.sliding_window'), 'latin1');
  writeFileSync(path, bytes);
  const file = new GgufFile(path);
  assert.equal(readConfig(ggufConfig(file), path).window, 4096);
  file.close();
});

test('flags are 0 or 1, and lists of a header have one limit together', () => {
  const bytes = ggufEdited(readFileSync(join(home, 'qwen3.gguf')), { odd: true });
  bytes[24 + 8 + 3 + 4] = 2;
  writeFileSync(path, bytes);
  assert.throws(() => new GgufFile(path), /the value of odd is 2, neither true nor false/);
  const many = Object.fromEntries(
    Array.from({ length: 3 }, (_, n) => [`list${n}`, new Array<boolean>(3e6).fill(true)]),
  );
  refused('qwen3', many, /the list list2 claims 3000000 items/);
});
