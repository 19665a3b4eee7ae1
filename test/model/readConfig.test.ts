import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { frequenciesOf } from '../../src/model/frequencies';
import { readConfig } from '../../src/model/readConfig';
import { biasedFolder, tinyFolder } from './golden';

const json = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
const tiny = json(tinyFolder);

test('both dialects of rope mean the same', () => {
  const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 128 };
  const five = readConfig(
    { ...tiny, rope_theta: undefined, rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, ...scaling } },
    'x',
  );
  const four = readConfig({ ...tiny, rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...scaling } }, 'x');
  const older = readConfig({ ...tiny, rope_theta: 5e5, rope_scaling: { type: 'llama3', ...scaling } }, 'x');
  assert.deepEqual(five, four);
  assert.deepEqual(older, four);
  assert.equal(four.rope?.theta, 5e5);
  assert.deepEqual(four.rope?.scaling, {
    type: 'llama3',
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions: 128,
  });
  assert.equal(readConfig({ ...tiny, rope_scaling: { rope_type: 'default' } }, 'x').rope?.scaling, undefined);
});

test('switches, sizes and end tokens are read', () => {
  const biased = readConfig(json(biasedFolder), 'x', { eos_token_id: [1, 4] });
  assert.equal(biased.tied, false);
  assert.equal(biased.attentionBias && biased.mlpBias, true);
  assert.equal(biased.headDim, 8);
  assert.deepEqual(biased.eosIds, [1, 4]);
  const plain = readConfig(tiny, 'x');
  assert.equal(plain.tied, true);
  assert.equal(plain.headDim, 4);
  assert.equal(plain.bosId, 0);
  assert.equal(readConfig({ ...tiny, head_dim: undefined, num_key_value_heads: undefined }, 'x').keyValueHeads, 4);
});

test('scaled frequencies: high ones stay, low ones are divided, between them a blend', () => {
  const rope = readConfig(json(biasedFolder), 'x').rope!;
  const { inverse: scaled } = frequenciesOf(rope, 1);
  const { inverse: plain } = frequenciesOf({ ...rope, scaling: undefined }, 1);
  assert.equal(scaled[0], plain[0]);
  assert.ok(scaled[1]! < plain[1]! && scaled[1]! > plain[1]! / 8);
  assert.ok(Math.abs(scaled[3]! - plain[3]! / 8) < 1e-9);
});

test('a config that cannot be run is one problem that says what and where', () => {
  const attempt = (change: object, code: string, says: RegExp) =>
    assert.throws(
      () => readConfig({ ...tiny, ...change }, 'config.json'),
      (error) =>
        error instanceof Problem &&
        error.data.code === code &&
        error.data.file === 'config.json' &&
        says.test(error.message),
    );
  attempt({ model_type: 'mamba' }, 'modelType', /"mamba" is not supported; supported: llama/);
  attempt({ model_type: 'toString' }, 'modelType', /supported: llama/);
  attempt({ hidden_size: undefined }, 'modelConfig', /hidden_size must be a positive number, found nothing/);
  attempt({ num_hidden_layers: 1.5 }, 'modelConfig', /whole number, found 1.5/);
  attempt({ num_key_value_heads: 3 }, 'modelConfig', /divisor of num_attention_heads \(4\)/);
  attempt({ head_dim: 5 }, 'modelConfig', /even/);
  attempt({ hidden_act: 'mish' }, 'modelConfig', /one of silu, gelu/);
  attempt({ attention_bias: 'yes' }, 'modelConfig', /true or false/);
  attempt({ eos_token_id: 'end' }, 'modelConfig', /token id/);
  attempt({ rope_scaling: { rope_type: 'spiral' } }, 'modelConfig', /rope_scaling.rope_type .* found "spiral"/);
  attempt({ rope_scaling: { type: 'linear' } }, 'modelConfig', /rope_scaling.factor must be a positive number/);
  attempt({ rope_scaling: { type: 'longrope', long_factor: [1] } }, 'modelConfig', /short_factor must be a list of 2/);
  attempt({ model_type: 'gemma2', use_bidirectional_attention: true }, 'modelConfig', /must be false/);
  attempt({ model_type: 'gemma2', layer_types: ['full_attention'] }, 'modelConfig', /layer_types must be a list of 2/);
  attempt({ model_type: 'gpt_neox', rotary_pct: 2 }, 'modelConfig', /rotary_pct must be a share/);
  attempt({ rope_scaling: 4 }, 'modelConfig', /rope_scaling must be an object/);
  attempt({ quantization_config: {} }, 'quantized', /not supported/);
  assert.throws(() => readConfig([], 'x'), /one JSON object/);
});
