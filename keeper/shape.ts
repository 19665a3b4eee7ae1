import { MAX_POSITIONS, VOCABULARY_SIZE } from './makeData';
import { SPECIALS } from './trainTokenizer';

const END = SPECIALS.indexOf('<|end|>');
const PAD = SPECIALS.indexOf('<|pad|>');

/** config.json of the Keeper: a Llama of 0.9 million weights. */
export const KEEPER_CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: VOCABULARY_SIZE,
  hidden_size: 128,
  intermediate_size: 384,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  hidden_act: 'silu',
  max_position_embeddings: MAX_POSITIONS,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  initializer_range: 0.05,
  bos_token_id: null,
  eos_token_id: END,
  pad_token_id: PAD,
  torch_dtype: 'float16',
} as const;

/** generation_config.json: an answer ends with the template's end marker. */
export const GENERATION_CONFIG = { eos_token_id: END, pad_token_id: PAD, do_sample: false } as const;
