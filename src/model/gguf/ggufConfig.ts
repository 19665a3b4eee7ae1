import { Problem } from '../../base/problem';
import { type Family, familyOf } from '../family';
import { ggufRope } from './ggufRope';
import type { GgufFile } from './ggufSource';
import { Metadata } from './metadata';

/** Architectures by llama.cpp's names, and the model_type of each. Mistral is a llama there. */
const MODEL_TYPES: { readonly [architecture: string]: string } = {
  llama: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  gemma: 'gemma',
  gemma2: 'gemma2',
  gemma3: 'gemma3_text',
  phi3: 'phi3',
  olmo2: 'olmo2',
  gpt2: 'gpt2',
  gptneox: 'gpt_neox',
};

/**
 * What config.json would say, for readConfig, out of a GGUF file's metadata.
 * @throws Problem `gguf` for an architecture or a setting that is not supported.
 */
export function ggufConfig(file: GgufFile): { readonly [field: string]: unknown } {
  const { header, path } = file;
  const data = new Metadata(header, path);
  const { architecture } = data;
  const kind = data.optionalText('general.type') ?? 'model';
  if (kind !== 'model')
    throw data.wrong('general.type', 'model (an adapter or a part of a model cannot be opened by itself)');
  const parts = data.number('split.count') ?? 1;
  if (parts > 1)
    throw new Problem('gguf', `the model is split into ${parts} files; join them with gguf-split.`, { file: path });
  const modelType = Object.hasOwn(MODEL_TYPES, architecture) ? (MODEL_TYPES[architecture] as string) : undefined;
  if (!modelType)
    throw new Problem(
      'gguf',
      `the architecture ${JSON.stringify(architecture.slice(0, 40))} is not supported; supported: ${Object.keys(MODEL_TYPES).join(', ')}.`,
      { file: path },
    );
  const family = familyOf(modelType, path);
  const refuse = (what: string) => new Problem('gguf', `${what}; choose another model.`, { file: path });
  if (data.number('.expert_count')) throw refuse('mixtures of experts are not supported');
  const heads = data.needed('.attention.head_count');
  const hiddenSize = data.needed('.embedding_length');
  const layers = data.needed('.block_count');
  const headDim = data.number('.attention.key_length') ?? hiddenSize / heads;
  const table = header.tensors.get('token_embd.weight');
  if (!table) throw new Problem('weights', 'tensor token_embd.weight is missing.', { file: path });
  // llama.cpp's files of Llama kind never have a window, whatever the model was; 0 is as good as none.
  const window = architecture === 'llama' ? undefined : data.number('.attention.sliding_window') || undefined;
  // OLMo 3 is written as olmo2 with windows.
  if (window && !family.window) throw refuse(`layers that see a window are not supported for ${architecture}`);
  const turned = data.number('.rope.dimension_count');
  const config: { [field: string]: unknown } = {
    vocab_size: table.shape[0],
    hidden_size: hiddenSize,
    intermediate_size: data.needed('.feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: data.number('.attention.head_count_kv') ?? heads,
    head_dim: headDim,
    max_position_embeddings: data.needed('.context_length'),
    rms_norm_eps: data.number('.attention.layer_norm_rms_epsilon') ?? data.number('.attention.layer_norm_epsilon'),
    rope_theta: data.number('.rope.freq_base'),
    rope_local_base_freq: family.windowRope && data.number('.rope.freq_base_swa'),
    partial_rotary_factor: share(turned, headDim),
    rope_scaling: ggufRope(file, data, (turned ?? headDim) / 2),
    // The first files of Gemma 2 leave the window away and mean the model's own, which is the family's default.
    sliding_window: architecture === 'gemma2' && !data.has('.attention.sliding_window') ? undefined : (window ?? null),
    ...windowedLayers(data, family),
    query_pre_attn_scalar: queryScalar(architecture, layers, hiddenSize / heads, headDim),
    attn_logit_softcapping: data.number('.attn_logit_softcapping'),
    final_logit_softcapping: data.number('.final_logit_softcapping'),
    use_parallel_residual: data.flag('.use_parallel_residual'),
    attention_bias: header.tensors.has('blk.0.attn_q.bias') || header.tensors.has('blk.0.attn_qkv.bias'),
    mlp_bias: header.tensors.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !header.tensors.has('output.weight'),
    bos_token_id: data.number('tokenizer.ggml.bos_token_id'),
    eos_token_id: ends(data),
    // Said even where there is none: transformers' own defaults may lie beyond a small vocabulary.
    pad_token_id: data.number('tokenizer.ggml.padding_token_id') ?? null,
  };
  return { model_type: modelType, ...renamed(config, family) };
}

function share(turned: number | undefined, headDim: number): number | undefined {
  return turned === undefined || turned === headDim ? undefined : turned / headDim;
}

/** Their largest models alone scale by the mean width of a head, and the files do not say so (llama.cpp knows them by their layers). */
function queryScalar(architecture: string, layers: number, width: number, headDim: number): number | undefined {
  if (architecture === 'gemma2') return layers === 46 ? width : headDim;
  if (architecture === 'gemma3') return layers === 62 ? width : headDim;
  return undefined;
}

/** Which layers see the window, where the file says so: all but each n-th, or a list. */
function windowedLayers(data: Metadata, { window }: Family): { [field: string]: unknown } {
  const key = '.attention.sliding_window_pattern';
  if (typeof window !== 'object' || !data.has(key)) return {};
  const list = data.flags(key);
  if (!list) return { sliding_window_pattern: data.number(key) };
  return { layer_types: list.map((windowed) => (windowed ? 'sliding_attention' : 'full_attention')) };
}

function ends(data: Metadata): number[] | undefined {
  const ids = [data.number('tokenizer.ggml.eos_token_id'), data.number('tokenizer.ggml.eot_token_id')];
  const known = ids.filter((id) => id !== undefined);
  return known.length > 0 ? known : undefined;
}

/** Under the names that the family's own config.json has. */
function renamed(config: { [field: string]: unknown }, { fields = {} }: Family): { [field: string]: unknown } {
  const known = Object.entries(config).filter(([, value]) => value !== undefined);
  const nameOf = (name: string) => (Object.hasOwn(fields, name) ? (fields[name] as string) : name);
  return Object.fromEntries(known.map(([name, value]) => [nameOf(name), value]));
}
