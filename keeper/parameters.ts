import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../src/base/random';
import { linearLayers } from '../src/model/linearLayers';
import type { DecoderConfig, LayerWeights, Weights } from '../src/model/model';
import { decodeSafetensors, encodeSafetensors } from '../src/model/safetensors';

/** All trained tensors by their names in a Hugging Face file; linear weights as the decoder holds them, [in, out]. */
export type Parameters = { readonly [name: string]: tf.Tensor };

const EMBEDDING = 'model.embed_tokens.weight';
const NORM = 'model.norm.weight';

/** Norms at 1, everything else normal with deviation `std`. */
export function initialParameters(config: DecoderConfig, seed: number, std: number): Parameters {
  const parameters: { [name: string]: tf.Tensor } = {};
  const normal = (name: string, shape: [number, number]) => {
    const random = new Random(seed, name);
    const values = Float32Array.from({ length: shape[0] * shape[1] }, () => std * random.normal());
    parameters[name] = tf.tensor2d(values, shape);
  };
  const ones = (name: string) => {
    parameters[name] = tf.ones([config.hiddenSize]);
  };
  normal(EMBEDDING, [config.vocabularySize, config.hiddenSize]);
  ones(NORM);
  for (let layer = 0; layer < config.layers; layer++) {
    ones(`model.layers.${layer}.input_layernorm.weight`);
    ones(`model.layers.${layer}.post_attention_layernorm.weight`);
    for (const { path, inputs, outputs } of linearLayers(config))
      normal(`model.layers.${layer}.${path}.weight`, [inputs, outputs]);
  }
  return parameters;
}

/** The decoder's view of the parameters. The head is the embedding transposed, so that a gradient flows through both uses. */
export function weightsOf(config: DecoderConfig, parameters: Parameters): Weights {
  const get = <T extends tf.Tensor>(name: string): T => {
    const tensor = parameters[name];
    if (!tensor) throw new Error(`parameter ${name} is missing`);
    return tensor as T;
  };
  const embedding = get<tf.Tensor2D>(EMBEDDING);
  const layers = Array.from({ length: config.layers }, (_, layer): LayerWeights => {
    const at = `model.layers.${layer}`;
    const linear = linearLayers(config).map(({ role, path }) => [role, { weight: get(`${at}.${path}.weight`) }]);
    return {
      norms: {
        beforeAttention: { weight: get(`${at}.input_layernorm.weight`) },
        beforeMlp: { weight: get(`${at}.post_attention_layernorm.weight`) },
      },
      linear: Object.fromEntries(linear) as LayerWeights['linear'],
    };
  });
  return { embedding, head: tf.transpose(embedding), norm: { weight: get(NORM) }, layers };
}

/** A safetensors file; linear weights transposed to [out, in] as Hugging Face stores them. */
export async function encodeParameters(parameters: Parameters, dtype: 'F16' | 'F32'): Promise<Uint8Array> {
  const tensors: { [name: string]: { shape: number[]; data: Float32Array; dtype: 'F16' | 'F32' } } = {};
  for (const [name, tensor] of Object.entries(parameters)) {
    const turned = isLinear(name) ? tf.transpose(tensor) : tensor.clone();
    tensors[name] = { shape: turned.shape, data: (await turned.data()) as Float32Array, dtype };
    turned.dispose();
  }
  return encodeSafetensors(tensors);
}

/** The inverse of encodeParameters. */
export function decodeParameters(bytes: Uint8Array): Parameters {
  const entries = Object.entries(decodeSafetensors(bytes)).map(([name, { shape, data }]) => {
    const stored = tf.tensor(data, [...shape]);
    if (!isLinear(name)) return [name, stored] as const;
    const turned = tf.transpose(stored);
    stored.dispose();
    return [name, turned] as const;
  });
  return Object.fromEntries(entries);
}

const isLinear = (name: string): boolean => name.endsWith('_proj.weight');
