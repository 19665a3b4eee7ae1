import { Problem } from '../base/problem';
import { type Activation, activations } from './activation';
import { type Family, familyOf } from './family';
import { Fields, type Json } from './fields';
import type { DecoderConfig } from './model';
import { readRopes } from './readRope';

/** Fields that change what a model computes and that this decoder does not follow: their only value that is allowed. */
const ONLY: { readonly [field: string]: unknown } = {
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  add_cross_attention: false,
  use_bidirectional_attention: false,
  is_encoder_decoder: false,
};

/**
 * The decoder's numbers from a parsed config.json, in the dialect of transformers 4 (`rope_theta`, `rope_scaling`) or 5
 * (`rope_parameters`). `generation` is the parsed generation_config.json, which may name more end tokens.
 * @throws Problem `modelType`, `modelConfig` or `quantized`.
 */
export function readConfig(json: unknown, file: string, generation?: unknown): DecoderConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Problem('modelConfig', 'config.json must hold one JSON object.', { file });
  const given = json as Json;
  const modelType = new Fields(given, file).text('model_type');
  const family = familyOf(modelType, file);
  const fields = new Fields({ ...family.defaults, ...withoutNulls(given, family) }, file, '', family.fields);
  if (fields.has('quantization_config'))
    throw new Problem(
      'quantized',
      'the weights are quantized in a way that is not supported (quantization_config); use the F32, F16 or BF16 weights, or a GGUF file.',
      { file },
    );
  for (const [name, only] of Object.entries(ONLY))
    if (fields.has(name) && fields.flag(name, only === true) !== only)
      throw fields.wrong(name, `${String(only)} (the other is not supported)`);

  const hiddenSize = fields.count('hidden_size');
  const heads = fields.count('num_attention_heads');
  const keyValueHeads = family.fused === 'heads' ? heads : fields.count('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0)
    throw fields.wrong('num_key_value_heads', `a divisor of num_attention_heads (${heads})`);
  const headDim = fields.count('head_dim', hiddenSize / heads);
  if (headDim % 2 !== 0) throw fields.wrong('head_dim', 'even');
  const layers = fields.count('num_hidden_layers');
  const ends =
    generation && typeof generation === 'object' ? new Fields(generation as Json, 'generation_config.json') : undefined;
  return {
    modelType,
    family,
    vocabularySize: fields.count('vocab_size'),
    hiddenSize,
    intermediateSize: fields.count('intermediate_size', modelType === 'gpt2' ? 4 * hiddenSize : undefined),
    layers,
    heads,
    keyValueHeads,
    headDim,
    maxPositions: fields.count('max_position_embeddings'),
    activation: readActivation(fields, modelType),
    normEpsilon: fields.number('rms_norm_eps'),
    ...readRopes(fields, family, headDim),
    queryScale: 1 / Math.sqrt(fields.number('query_pre_attn_scalar', headDim)),
    attentionCap: fields.optional('attn_logit_softcapping'),
    logitCap: fields.optional('final_logit_softcapping'),
    ...readWindow(fields, family, layers),
    parallelResidual: fields.flag('use_parallel_residual', false),
    tied: fields.flag('tie_word_embeddings', false),
    attentionBias: fields.flag('attention_bias', false),
    mlpBias: fields.flag('mlp_bias', false),
    bosId: fields.ids('bos_token_id')[0],
    eosIds: [...new Set([...fields.ids('eos_token_id'), ...(ends?.ids('eos_token_id') ?? [])])],
  };
}

/** An explicit null overrules a default only where it means something: no window, no soft cap. */
function withoutNulls(json: Json, { defaults }: Family): Json {
  const meant = ['sliding_window', 'attn_logit_softcapping', 'final_logit_softcapping'];
  return Object.fromEntries(
    Object.entries(json).filter(([name, value]) => value !== null || meant.includes(name) || !(name in defaults)),
  );
}

function readActivation(fields: Fields, modelType: string): Activation {
  const name = fields.text('hidden_act');
  // Gemma's first release says gelu and means its tanh form (transformers' GemmaConfig).
  if (modelType === 'gemma' && name === 'gelu') return 'gelu_pytorch_tanh';
  const found = (Object.keys(activations) as Activation[]).find((known) => known === name);
  if (!found) throw fields.wrong('hidden_act', `one of ${Object.keys(activations).join(', ')}`);
  return found;
}

/** Which layers see a window only, and how many tokens it holds, the query's own included. */
function readWindow(fields: Fields, family: Family, layers: number): Pick<DecoderConfig, 'window' | 'windowed'> {
  const none = { window: undefined, windowed: new Array<boolean>(layers).fill(false) };
  if (!family.window || !fields.has('sliding_window')) return none;
  if (family.window === 'upper' && !fields.flag('use_sliding_window', false)) return none;
  const window = fields.count('sliding_window');
  const types = fields.list('layer_types');
  if (types && family.window !== 'all') {
    const known = ['full_attention', 'sliding_attention'];
    if (types.length !== layers || !types.every((type) => known.includes(String(type))))
      throw fields.wrong('layer_types', `a list of ${layers} that are ${known.join(' or ')}`);
    return { window, windowed: types.map((type) => type === 'sliding_attention') };
  }
  const { window: rule } = family;
  const from = rule === 'upper' ? fields.number('max_window_layers') : 0;
  const every = typeof rule === 'object' ? fields.count('sliding_window_pattern', rule.fullEvery) : undefined;
  return {
    window,
    windowed: Array.from({ length: layers }, (_, n) => (every === undefined ? n >= from : (n + 1) % every !== 0)),
  };
}
