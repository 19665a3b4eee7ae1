import { Problem } from '../base/problem';
import { familyOf } from './family';
import type { DecoderConfig } from './model';

type Json = { [key: string]: unknown };

/** Reads fields of a parsed JSON object and says which one is wrong. */
class Fields {
  constructor(
    private readonly json: Json,
    private readonly file: string,
    private readonly path = '',
  ) {}

  has(name: string): boolean {
    return this.json[name] !== undefined && this.json[name] !== null;
  }

  wrong(name: string, expected: string): Problem {
    const found = this.has(name) ? JSON.stringify(this.json[name]) : 'nothing';
    return new Problem('modelConfig', `${this.path}${name} must be ${expected}, found ${found}.`, { file: this.file });
  }

  number(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
      throw this.wrong(name, 'a positive number');
    return value;
  }

  count(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (!Number.isInteger(value)) throw this.wrong(name, 'a positive whole number');
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.json[name] ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false');
    return value;
  }

  text(name: string, fallback?: string): string {
    const value = this.json[name] ?? fallback;
    if (typeof value !== 'string') throw this.wrong(name, 'a string');
    return value;
  }

  ids(name: string): number[] {
    const value = this.json[name] ?? [];
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.map((id) => {
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
        throw this.wrong(name, 'a token id or a list of them');
      return id;
    });
  }

  object(name: string): Fields | undefined {
    if (!this.has(name)) return undefined;
    const value = this.json[name];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong(name, 'an object');
    return new Fields(value as Json, this.file, `${this.path}${name}.`);
  }
}

/**
 * The decoder's numbers from a parsed config.json, in the dialect of transformers 4 (`rope_theta`, `rope_scaling`) or 5
 * (`rope_parameters`). `generation` is the parsed generation_config.json, which may name more end tokens.
 * @throws Problem `modelType` or `modelConfig`.
 */
export function readConfig(json: unknown, file: string, generation?: unknown): DecoderConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Problem('modelConfig', 'config.json must hold one JSON object.', { file });
  const fields = new Fields(json as Json, file);
  const modelType = fields.text('model_type');
  const family = familyOf(modelType, file);
  if (fields.has('quantization_config'))
    throw new Problem('quantized', 'quantized weights are not supported; use the F32, F16 or BF16 weights.', { file });
  const act = fields.text('hidden_act', family.act);
  if (act !== family.act) throw fields.wrong('hidden_act', `"${family.act}" for model_type "${modelType}"`);

  const hiddenSize = fields.count('hidden_size');
  const heads = fields.count('num_attention_heads');
  const keyValueHeads = fields.count('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0)
    throw fields.wrong('num_key_value_heads', `a divisor of num_attention_heads (${heads})`);
  const headDim = fields.count('head_dim', hiddenSize / heads);
  if (headDim % 2 !== 0) throw fields.wrong('head_dim', 'even');
  const maxPositions = fields.count('max_position_embeddings', 2048);
  const ends =
    generation && typeof generation === 'object' ? new Fields(generation as Json, 'generation_config.json') : undefined;
  return {
    modelType,
    vocabularySize: fields.count('vocab_size'),
    hiddenSize,
    intermediateSize: fields.count('intermediate_size'),
    layers: fields.count('num_hidden_layers'),
    heads,
    keyValueHeads,
    headDim,
    maxPositions,
    normEpsilon: fields.number('rms_norm_eps', 1e-6),
    ...readRope(fields, maxPositions),
    tied: fields.flag('tie_word_embeddings', false),
    attentionBias: fields.flag('attention_bias', false),
    mlpBias: fields.flag('mlp_bias', false),
    bosId: fields.ids('bos_token_id')[0],
    eosIds: [...new Set([...fields.ids('eos_token_id'), ...(ends?.ids('eos_token_id') ?? [])])],
  };
}

function readRope(fields: Fields, maxPositions: number): Pick<DecoderConfig, 'ropeTheta' | 'ropeScaling'> {
  const parameters = fields.object('rope_parameters') ?? fields.object('rope_scaling');
  // 10000 is the default of transformers' LlamaConfig.
  const ropeTheta = parameters?.has('rope_theta')
    ? parameters.number('rope_theta')
    : fields.number('rope_theta', 10000);
  if (!parameters) return { ropeTheta };
  const type = parameters.text('rope_type', parameters.text('type', 'default'));
  if (type === 'default') return { ropeTheta };
  if (type !== 'llama3') throw parameters.wrong('rope_type', '"default" or "llama3" (the others are not supported)');
  return {
    ropeTheta,
    ropeScaling: {
      factor: parameters.number('factor'),
      lowFrequencyFactor: parameters.number('low_freq_factor'),
      highFrequencyFactor: parameters.number('high_freq_factor'),
      originalMaxPositions: parameters.number('original_max_position_embeddings', maxPositions),
    },
  };
}
