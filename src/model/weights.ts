import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import {
  type DecoderConfig,
  type LayerWeights,
  LINEAR_NAMES,
  type Linear,
  type LinearName,
  type Weights,
} from './model';
import { SafetensorsSource } from './safetensorsSource';

/** The file's path of a linear layer inside `model.layers.N`. */
export function modulePath(name: LinearName): string {
  return `${/^[qkvo]_/.test(name) ? 'self_attn' : 'mlp'}.${name}`;
}

/**
 * All weights in float32, tensor by tensor. The caller owns them: see freeWeights.
 * @throws Problem `weights` or `safetensors`.
 */
export function loadWeights(folder: string, config: DecoderConfig): Weights {
  const made: tf.Tensor[] = [];
  const keep = <T extends tf.Tensor>(tensor: T): T => {
    made.push(tensor);
    return tensor;
  };
  const files = new SafetensorsSource(folder);
  try {
    const vector = (name: string, size: number) => keep(tf.tensor1d(files.read(name, [size])));
    const transposed = (name: string, rows: number, columns: number) =>
      keep(tf.tensor2d(transpose(files.read(name, [rows, columns]), rows, columns), [columns, rows]));
    const { hiddenSize: d, vocabularySize: v } = config;
    const sizes = linearSizes(config);
    const layer = (n: number): LayerWeights => {
      const linear = (name: LinearName): Linear => {
        const { inputs, outputs, bias } = sizes[name];
        const path = `model.layers.${n}.${modulePath(name)}`;
        if (!bias && files.has(`${path}.bias`))
          throw new Problem('weights', `tensor ${path}.bias is there although config.json asks for no bias.`, {
            file: folder,
          });
        return {
          weight: transposed(`${path}.weight`, outputs, inputs),
          ...(bias ? { bias: vector(`${path}.bias`, outputs) } : {}),
        };
      };
      return {
        inputNorm: vector(`model.layers.${n}.input_layernorm.weight`, d),
        postNorm: vector(`model.layers.${n}.post_attention_layernorm.weight`, d),
        linear: Object.fromEntries(LINEAR_NAMES.map((name) => [name, linear(name)])) as {
          [name in LinearName]: Linear;
        },
      };
    };
    const rows = files.read('model.embed_tokens.weight', [v, d]);
    return {
      embedding: keep(tf.tensor2d(rows, [v, d])),
      head: config.tied ? keep(tf.tensor2d(transpose(rows, v, d), [d, v])) : transposed('lm_head.weight', v, d),
      norm: vector('model.norm.weight', d),
      layers: Array.from({ length: config.layers }, (_, n) => layer(n)),
    };
  } catch (error) {
    tf.dispose(made);
    throw error;
  } finally {
    files.close();
  }
}

/** Sizes of the seven linear layers of each block, and whether they have a bias. */
export function linearSizes(config: DecoderConfig): {
  [name in LinearName]: { inputs: number; outputs: number; bias: boolean };
} {
  const { hiddenSize: d, intermediateSize: f, heads, keyValueHeads, headDim, attentionBias, mlpBias } = config;
  const q = { inputs: d, outputs: heads * headDim, bias: attentionBias };
  const kv = { inputs: d, outputs: keyValueHeads * headDim, bias: attentionBias };
  const up = { inputs: d, outputs: f, bias: mlpBias };
  return {
    q_proj: q,
    k_proj: kv,
    v_proj: kv,
    o_proj: { inputs: heads * headDim, outputs: d, bias: attentionBias },
    gate_proj: up,
    up_proj: up,
    down_proj: { inputs: f, outputs: d, bias: mlpBias },
  };
}

export function freeWeights(weights: Weights): void {
  tf.dispose([weights.embedding, weights.head, weights.norm]);
  for (const layer of weights.layers) {
    tf.dispose([layer.inputNorm, layer.postNorm]);
    for (const name of LINEAR_NAMES) tf.dispose([layer.linear[name].weight, layer.linear[name].bias ?? []]);
  }
}

/** [rows, columns] -> [columns, rows], by blocks that fit the processor's cache. */
export function transpose(from: Float32Array, rows: number, columns: number): Float32Array {
  const to = new Float32Array(from.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block)
    for (let c0 = 0; c0 < columns; c0 += block) {
      const r1 = Math.min(rows, r0 + block);
      const c1 = Math.min(columns, c0 + block);
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c]!;
    }
  return to;
}
