import { Problem } from '../base/problem';

/** A linear layer of a block, by what it does. A family has q, k and v or one fused qkv; gate and up or one fused gateUp. */
export const LINEAR_ROLES = ['q', 'k', 'v', 'qkv', 'o', 'gate', 'up', 'gateUp', 'down'] as const;
export type LinearRole = (typeof LINEAR_ROLES)[number];

/** Where a block may have norms: around attention, around the feed-forward layer, on queries and on keys. */
export const NORM_PLACES = ['beforeAttention', 'afterAttention', 'beforeMlp', 'afterMlp', 'q', 'k'] as const;
export type NormPlace = (typeof NORM_PLACES)[number];

/** What one kind of decoder does differently from another. The numbers stand in DecoderConfig; these are the switches and names. */
export interface Family {
  /** Names in the weight files. `layers` is followed by the number of the layer; `positions` are learned ones, instead of rope. */
  names: { embedding: string; positions?: string; layers: string; finalNorm: string; head: string };
  /** The linear layers it has and their paths within a layer. */
  linear: { readonly [role in LinearRole]?: string };
  /** The norms it has and their paths within a layer. */
  norms: { readonly [place in NormPlace]?: string };
  /** 'rms+1': the file holds the weight minus one (Gemma); weights.ts adds it back when it loads. 'layer': with mean and bias. */
  norm: 'rms' | 'rms+1' | 'layer';
  /** Norms of queries and keys: of each head by itself, or of all heads together. */
  headNorm?: 'each' | 'all';
  /** A fused qkv layer's outputs: all of q, then of k, then of v; or q, k, v of the first head, then of the second, ... */
  fused?: 'blocks' | 'heads';
  /** Linear layers that have a bias: as config.json says (attention_bias, mlp_bias), or always these. */
  bias: 'config' | readonly LinearRole[];
  /** How the file stores a linear layer: [out, in], or [in, out] (GPT-2's Conv1D). */
  stored: 'outIn' | 'inOut';
  /** Embeddings are multiplied by sqrt(D) inside the decoder; a delta lives in the unscaled rows. */
  embedScale: boolean;
  /**
   * Layers that see a window of config.json's `sliding_window` only: all; those from `max_window_layers` on, where
   * `use_sliding_window` is set; all but each n-th. `layer_types` of config.json goes before.
   */
  window?: 'all' | 'upper' | { fullEvery: number };
  /** Rope of the window's layers has a base of its own. */
  windowRope?: true;
  /** config.json's own names of fields, by those that Llama has. */
  fields?: { readonly [llamas: string]: string };
  /** What its configuration class in transformers takes where config.json is silent. */
  defaults: { readonly [field: string]: unknown };
}

const llama: Family = {
  names: { embedding: 'model.embed_tokens', layers: 'model.layers', finalNorm: 'model.norm', head: 'lm_head' },
  linear: {
    q: 'self_attn.q_proj',
    k: 'self_attn.k_proj',
    v: 'self_attn.v_proj',
    o: 'self_attn.o_proj',
    gate: 'mlp.gate_proj',
    up: 'mlp.up_proj',
    down: 'mlp.down_proj',
  },
  norms: { beforeAttention: 'input_layernorm', beforeMlp: 'post_attention_layernorm' },
  norm: 'rms',
  bias: 'config',
  stored: 'outIn',
  embedScale: false,
  defaults: { hidden_act: 'silu', max_position_embeddings: 2048, rms_norm_eps: 1e-6, rope_theta: 10000 },
};
const perHead = { q: 'self_attn.q_norm', k: 'self_attn.k_norm' };
const mistral: Family = {
  ...llama,
  bias: [],
  window: 'all',
  defaults: { ...llama.defaults, num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
};
const qwen2: Family = {
  ...llama,
  bias: ['q', 'k', 'v'],
  window: 'upper',
  defaults: { ...llama.defaults, max_position_embeddings: 32768, sliding_window: 4096, max_window_layers: 28 },
};
const gemma: Family = {
  ...llama,
  norm: 'rms+1',
  embedScale: true,
  defaults: {
    ...llama.defaults,
    hidden_act: 'gelu_pytorch_tanh',
    max_position_embeddings: 8192,
    head_dim: 256,
    tie_word_embeddings: true,
  },
};
const gemma2: Family = {
  ...gemma,
  norms: {
    beforeAttention: 'input_layernorm',
    afterAttention: 'post_attention_layernorm',
    beforeMlp: 'pre_feedforward_layernorm',
    afterMlp: 'post_feedforward_layernorm',
  },
  window: { fullEvery: 2 },
  fields: { hidden_act: 'hidden_activation' },
  defaults: {
    ...gemma.defaults,
    hidden_activation: 'gelu_pytorch_tanh',
    num_key_value_heads: 4,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
};

/** The decoders this project can run, by config.json's `model_type`, never by the model's name. */
export const families = {
  llama,
  mistral,
  qwen2,
  qwen3: {
    ...qwen2,
    norms: { ...llama.norms, ...perHead },
    headNorm: 'each',
    bias: 'config',
    defaults: { ...qwen2.defaults, head_dim: 128 },
  },
  gemma,
  gemma2,
  gemma3_text: {
    ...gemma2,
    norms: { ...gemma2.norms, ...perHead },
    headNorm: 'each',
    window: { fullEvery: 6 },
    windowRope: true,
    defaults: {
      ...gemma2.defaults,
      max_position_embeddings: 131072,
      rope_theta: 1e6,
      rope_local_base_freq: 1e4,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
    },
  },
  phi3: {
    ...llama,
    linear: {
      qkv: 'self_attn.qkv_proj',
      o: 'self_attn.o_proj',
      gateUp: 'mlp.gate_up_proj',
      down: 'mlp.down_proj',
    },
    fused: 'blocks',
    bias: [],
    window: 'all',
    defaults: { ...llama.defaults, rms_norm_eps: 1e-5, max_position_embeddings: 4096 },
  },
  olmo2: {
    ...llama,
    norms: { afterAttention: 'post_attention_layernorm', afterMlp: 'post_feedforward_layernorm', ...perHead },
    headNorm: 'all',
    defaults: { ...llama.defaults, rms_norm_eps: 1e-5 },
  },
  gpt2: {
    names: {
      embedding: 'transformer.wte',
      positions: 'transformer.wpe',
      layers: 'transformer.h',
      finalNorm: 'transformer.ln_f',
      head: 'lm_head',
    },
    linear: { qkv: 'attn.c_attn', o: 'attn.c_proj', up: 'mlp.c_fc', down: 'mlp.c_proj' },
    norms: { beforeAttention: 'ln_1', beforeMlp: 'ln_2' },
    norm: 'layer',
    fused: 'blocks',
    bias: ['qkv', 'o', 'up', 'down'],
    stored: 'inOut',
    embedScale: false,
    fields: {
      hidden_size: 'n_embd',
      num_hidden_layers: 'n_layer',
      num_attention_heads: 'n_head',
      intermediate_size: 'n_inner',
      max_position_embeddings: 'n_positions',
      hidden_act: 'activation_function',
      rms_norm_eps: 'layer_norm_epsilon',
    },
    defaults: {
      activation_function: 'gelu_new',
      n_positions: 1024,
      layer_norm_epsilon: 1e-5,
      tie_word_embeddings: true,
    },
  },
  gpt_neox: {
    names: {
      embedding: 'gpt_neox.embed_in',
      layers: 'gpt_neox.layers',
      finalNorm: 'gpt_neox.final_layer_norm',
      head: 'embed_out',
    },
    linear: {
      qkv: 'attention.query_key_value',
      o: 'attention.dense',
      up: 'mlp.dense_h_to_4h',
      down: 'mlp.dense_4h_to_h',
    },
    norms: { beforeAttention: 'input_layernorm', beforeMlp: 'post_attention_layernorm' },
    norm: 'layer',
    fused: 'heads',
    bias: 'config',
    stored: 'outIn',
    embedScale: false,
    fields: { rms_norm_eps: 'layer_norm_eps', rope_theta: 'rotary_emb_base', partial_rotary_factor: 'rotary_pct' },
    defaults: {
      hidden_act: 'gelu',
      max_position_embeddings: 2048,
      layer_norm_eps: 1e-5,
      rotary_emb_base: 10000,
      rotary_pct: 0.25,
      use_parallel_residual: true,
      attention_bias: true,
      mlp_bias: true,
    },
  },
} satisfies { [modelType: string]: Family };

/** @throws Problem `modelType`, naming the supported ones. */
export function familyOf(modelType: string, file: string): Family {
  const found = Object.entries(families).find(([name]) => name === modelType);
  if (found) return found[1];
  throw new Problem(
    'modelType',
    `model_type "${modelType}" is not supported; supported: ${Object.keys(families).join(', ')}. Choose a model folder of that kind.`,
    { file },
  );
}
