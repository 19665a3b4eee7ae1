import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { Random } from '../base/random';
import { dropoutMask } from './dropout';
import {
  type DecoderConfig,
  type LayerWeights,
  LINEAR_NAMES,
  type Linear,
  type LinearName,
  type Weights,
} from './model';
import { linearSizes, modulePath } from './weights';

// LoRA (arXiv 2106.09685) as PEFT does it: y = x W + scale * (dropout(x) A) B, scale = alpha / rank.

export interface LoraOptions {
  rank: number;
  alpha: number;
  /** Rate of dropout on the adapter's input while training. */
  dropout: number;
  targets: 'all-linear' | readonly string[];
}

/** a [in, rank], b [rank, out]. */
export interface LoraFactors {
  a: tf.Tensor2D;
  b: tf.Tensor2D;
}

/** Factors by module path, e.g. 'model.layers.0.self_attn.q_proj'. Its owner frees it: freeAdapter. */
export interface Adapter {
  options: LoraOptions;
  scale: number;
  factors: { readonly [module: string]: LoraFactors };
}

/** An adapter as one forward pass uses it. Passes with the same seed and counter drop the same numbers. */
export interface AdapterRun {
  adapter: Adapter;
  dropout?: { rate: number; seed: number; counter: number };
}

/** The linear layers that `targets` names. @throws Problem `loraTargets` for a name that is none. */
export function targetNames(targets: LoraOptions['targets']): LinearName[] {
  if (targets === 'all-linear') return [...LINEAR_NAMES];
  const unknown = targets.find((name) => !LINEAR_NAMES.some((known) => known === name));
  if (unknown !== undefined)
    throw new Problem('loraTargets', `${unknown} is no linear layer; there are ${LINEAR_NAMES.join(', ')}.`, {
      at: ['lora', 'targets'],
    });
  return LINEAR_NAMES.filter((name) => targets.includes(name));
}

/** A fresh adapter that changes nothing yet: a uniform within 1/sqrt(in) (PEFT's kaiming_uniform(sqrt 5)), b zero. */
export function createAdapter(config: DecoderConfig, options: LoraOptions, seed: number): Adapter {
  const names = targetNames(options.targets);
  const sizes = linearSizes(config);
  const factors: { [module: string]: LoraFactors } = {};
  for (let layer = 0; layer < config.layers; layer++)
    for (const name of names) {
      const { inputs, outputs } = sizes[name];
      const module = `model.layers.${layer}.${modulePath(name)}`;
      const random = new Random(seed, `lora ${module}`);
      const bound = 1 / Math.sqrt(inputs);
      const values = Float32Array.from({ length: inputs * options.rank }, () => (2 * random.next() - 1) * bound);
      factors[module] = {
        a: tf.tensor2d(values, [inputs, options.rank]),
        b: tf.zeros([options.rank, outputs]),
      };
    }
  return { options, scale: options.alpha / options.rank, factors };
}

export function freeAdapter(adapter: Adapter): void {
  for (const { a, b } of Object.values(adapter.factors)) tf.dispose([a, b]);
}

/** The factors as one flat record under the names of PEFT's files, to take gradients of and to optimise. Not copies. */
export function adapterParameters(adapter: Adapter): { [name: string]: tf.Tensor2D } {
  const flat: { [name: string]: tf.Tensor2D } = {};
  for (const [module, { a, b }] of Object.entries(adapter.factors)) {
    flat[parameterName(module, 'A')] = a;
    flat[parameterName(module, 'B')] = b;
  }
  return flat;
}

/** The same adapter with other numbers; `parameters` as adapterParameters gives them. Owns nothing by itself. */
export function withParameters(adapter: Adapter, parameters: { readonly [name: string]: tf.Tensor }): Adapter {
  const get = (name: string) => {
    const found = parameters[name];
    if (!found) throw new Error(`no parameter ${name}`);
    return found as tf.Tensor2D;
  };
  const factors: { [module: string]: LoraFactors } = {};
  for (const module of Object.keys(adapter.factors))
    factors[module] = { a: get(parameterName(module, 'A')), b: get(parameterName(module, 'B')) };
  return { ...adapter, factors };
}

export function parameterName(module: string, factor: 'A' | 'B'): string {
  return `base_model.model.${module}.lora_${factor}.weight`;
}

/** x [N, in] -> [N, out] through a linear layer and, where there is one, its adapter. */
export function linear(x: tf.Tensor2D, layer: Linear, module: string, run?: AdapterRun): tf.Tensor2D {
  let y: tf.Tensor = tf.matMul(x, layer.weight);
  if (layer.bias) y = tf.add(y, layer.bias);
  const factors = run?.adapter.factors[module];
  if (!run || !factors) return y as tf.Tensor2D;
  const input = run.dropout && run.dropout.rate > 0 ? tf.mul(x, dropoutMask(x.shape, module, run.dropout)) : x;
  const low = tf.mul(tf.matMul(input as tf.Tensor2D, factors.a), run.adapter.scale);
  return tf.add(y, tf.matMul(low as tf.Tensor2D, factors.b));
}

/** Weights with the adapter added in: W + scale * A B. New tensors for the changed layers only; freeMerged frees just those. */
export function mergeAdapter(weights: Weights, adapter: Adapter): Weights {
  const layers = weights.layers.map((layer, n): LayerWeights => {
    const merged = LINEAR_NAMES.map((name): [LinearName, Linear] => {
      const factors = adapter.factors[`model.layers.${n}.${modulePath(name)}`];
      const old = layer.linear[name];
      if (!factors) return [name, old];
      const weight = tf.tidy(
        () => tf.add(old.weight, tf.mul(tf.matMul(factors.a, factors.b), adapter.scale)) as tf.Tensor2D,
      );
      return [name, { ...old, weight }];
    });
    return { ...layer, linear: Object.fromEntries(merged) as LayerWeights['linear'] };
  });
  return { ...weights, layers };
}

/** Frees what mergeAdapter made and leaves what `weights` owns. */
export function freeMerged(merged: Weights, weights: Weights): void {
  merged.layers.forEach((layer, n) => {
    for (const name of LINEAR_NAMES) {
      const tensor = layer.linear[name].weight;
      if (tensor !== weights.layers[n]?.linear[name].weight) tensor.dispose();
    }
  });
}
