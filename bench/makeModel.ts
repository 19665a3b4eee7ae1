import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../src/base/random';
import { type TensorToWrite, writeSafetensors } from '../src/model/writeSafetensors';
import type { Shape } from './shapes';

/** A Llama of this shape with seeded random weights (normal, deviation 0.02; norms 1) in bfloat16, as a folder that transformers reads. */
export async function makeModel(folder: string, shape: Shape): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { hiddenSize: d, intermediateSize: f, vocabularySize: v, heads, keyValueHeads, layers } = shape;
  const headDim = d / heads;
  const kv = keyValueHeads * headDim;
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: d,
    intermediate_size: f,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    vocab_size: v,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000.0,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    torch_dtype: 'bfloat16',
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 2));
  const tensors: TensorToWrite[] = [];
  const add = (name: string, shape: number[], one = false) =>
    tensors.push({
      name: `${name}.weight`,
      shape,
      read: () => {
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
        const random = new Random(0, name);
        if (!one) for (let i = 0; i < values.length; i++) values[i] = 0.02 * random.normal();
        return values;
      },
    });
  add('model.embed_tokens', [v, d]);
  add('model.norm', [d], true);
  for (let n = 0; n < layers; n++) {
    const at = `model.layers.${n}`;
    add(`${at}.input_layernorm`, [d], true);
    add(`${at}.post_attention_layernorm`, [d], true);
    add(`${at}.self_attn.q_proj`, [d, d]);
    add(`${at}.self_attn.k_proj`, [kv, d]);
    add(`${at}.self_attn.v_proj`, [kv, d]);
    add(`${at}.self_attn.o_proj`, [d, d]);
    add(`${at}.mlp.gate_proj`, [f, d]);
    add(`${at}.mlp.up_proj`, [f, d]);
    add(`${at}.mlp.down_proj`, [d, f]);
  }
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, 'BF16');
}
