import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { Random } from '../base/random';
import { addMatMul, hasFused } from '../tensor/fused';
import { jit, runsSideBySide } from '../tensor/jit';
import { isInPanels, mergePanels, type PanelWeight } from '../tensor/panels';
import { tidied } from '../tensor/tidied';
import { type Dropout, dropped } from './dropout';
import type { LinearRole } from './family';
import { type LinearLayer, linearLayers, modulePath } from './linearLayers';
import type { DecoderConfig, LayerWeights, Linear, LoraFactors, Weights } from './model';
import { freeMatrix, multiply } from './multiply';
import { isPacked } from './packed';

// LoRA (arXiv 2106.09685) as PEFT does it: y = x W + scale * (dropout(x) A) B, scale = alpha / rank.

export interface LoraOptions {
  rank: number;
  alpha: number;
  /** Rate of dropout on the adapter's input while training. */
  dropout: number;
  targets: 'all-linear' | readonly string[];
}

/** Factors by module path, e.g. 'model.layers.0.self_attn.q_proj'. Its owner frees it: freeAdapter. */
export interface Adapter {
  options: LoraOptions;
  /** Scales are alpha / sqrt(rank) (arXiv 2312.03732). */
  rslora?: boolean;
  /** PEFT's rank_pattern and alpha_pattern, where modules differ: kept to be written again. */
  patterns?: { rank: { readonly [path: string]: number }; alpha: { readonly [path: string]: number } };
  factors: { readonly [module: string]: LoraFactors };
}

/** An adapter as one forward pass uses it. */
export interface AdapterRun {
  adapter: Adapter;
  dropout?: Dropout;
}

/** The same for rows of activations from place `first` of the whole pass on. */
export const startingAt = (run: AdapterRun | undefined, first: number): AdapterRun | undefined =>
  run?.dropout && first > 0 ? { ...run, dropout: { ...run.dropout, first } } : run;

/**
 * The linear layers that `targets` names, by the last part of their path (q_proj) or more of it (mlp.c_proj), as PEFT does.
 * @throws Problem `loraTargets` for a name that is none of the model's.
 */
export function targetLayers(config: DecoderConfig, targets: LoraOptions['targets']): LinearLayer[] {
  const layers = linearLayers(config);
  if (targets === 'all-linear') return layers;
  const fits = (name: string) => (layer: LinearLayer) => `.${layer.path}`.endsWith(`.${name}`);
  const unknown = targets.find((name) => !layers.some(fits(name)));
  if (unknown !== undefined) {
    const names = [...new Set(layers.map(({ path }) => path.split('.').at(-1)))];
    throw new Problem('loraTargets', `${unknown} is no linear layer of this model; it has ${names.join(', ')}.`, {
      at: ['lora', 'targets'],
    });
  }
  return layers.filter((layer) => targets.some((name) => fits(name)(layer)));
}

/** A fresh adapter that changes nothing yet: a uniform within 1/sqrt(in) (PEFT's kaiming_uniform(sqrt 5)), b zero. */
export function createAdapter(config: DecoderConfig, options: LoraOptions, seed: number): Adapter {
  const scale = options.alpha / options.rank;
  const factors: { [module: string]: LoraFactors } = {};
  for (let layer = 0; layer < config.layers; layer++)
    for (const { path, inputs, outputs } of targetLayers(config, options.targets)) {
      const module = modulePath(config, layer, path);
      const random = new Random(seed, `lora ${module}`);
      const bound = 1 / Math.sqrt(inputs);
      const values = Float32Array.from({ length: inputs * options.rank }, () => (2 * random.next() - 1) * bound);
      factors[module] = {
        a: tf.tensor2d(values, [inputs, options.rank]),
        b: tf.zeros([options.rank, outputs]),
        scale,
      };
    }
  return { options, factors };
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
  for (const [module, { scale }] of Object.entries(adapter.factors))
    factors[module] = { a: get(parameterName(module, 'A')), b: get(parameterName(module, 'B')), scale };
  return { ...adapter, factors };
}

export function parameterName(module: string, factor: 'A' | 'B'): string {
  return `base_model.model.${module}.lora_${factor}.weight`;
}

/** A block's weights and the adapter, as one forward pass uses them. */
export interface LayerRun {
  config: DecoderConfig;
  layer: number;
  weights: LayerWeights;
  adapter?: AdapterRun;
}

/** The adapter's factors in this block. */
export function factorsOf({ config, layer, adapter }: LayerRun): Adapter['factors'] {
  const modules = linearLayers(config).map(({ path }) => modulePath(config, layer, path));
  const all = adapter?.adapter.factors ?? {};
  return Object.fromEntries(
    modules.flatMap((module) => {
      const own = all[module];
      return own ? [[module, own]] : [];
    }),
  );
}

/** The same with other factors. */
export const withFactors = (run: LayerRun, factors: Adapter['factors']): LayerRun =>
  run.adapter ? { ...run, adapter: { ...run.adapter, adapter: { ...run.adapter.adapter, factors } } } : run;

/** x [N, in] -> [N, out] through a linear layer of a block and, where there is one, its adapter. */
export function project({ config, layer, weights, adapter }: LayerRun, role: LinearRole, x: tf.Tensor2D): tf.Tensor2D {
  const path = config.family.linear[role];
  const own = weights.linear[role];
  if (path === undefined || !own) throw new Error(`${config.modelType} has no layer ${role}`);
  return linear(x, own, modulePath(config, layer, path), adapter);
}

function linear(x: tf.Tensor2D, layer: Linear, module: string, run?: AdapterRun): tf.Tensor2D {
  const { weight, bias, beside } = layer;
  let y = multiply(x, weight);
  if (bias) y = tf.add(y, bias);
  if (beside) y = addThroughFactors(y, x, beside);
  const factors = run?.adapter.factors[module];
  if (!run || !factors) return y;
  const input = run.dropout ? dropped(x, module, run.dropout) : x;
  return addThroughFactors(y, input, factors);
}

/** y + scale * (x A) B */
function addThroughFactors(y: tf.Tensor2D, x: tf.Tensor2D, { a, b, scale }: LoraFactors): tf.Tensor2D {
  return addProduct(y, tf.mul(tf.matMul(x, a), scale), b);
}

const addProduct = (start: tf.Tensor2D, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D =>
  hasFused() ? addMatMul(start, a, b) : tf.add(start, tf.matMul(a, b));

/**
 * Weights with the adapter added in: W + scale * A B. New tensors for the changed layers only; freeMerged frees just those. A weight of
 * fewer bits keeps the adapter's factors beside it.
 */
export function mergeAdapter(config: DecoderConfig, weights: Weights, adapter: Adapter): Weights {
  const changed: { [module: string]: LoraFactors & { weight: Whole } } = {};
  const each = (change: (module: string, old: Linear, factors: LoraFactors) => Linear) =>
    weights.layers.map((layer, n): LayerWeights => {
      const linear: { [role in LinearRole]?: Linear } = { ...layer.linear };
      for (const { role, path } of linearLayers(config)) {
        const module = modulePath(config, n, path);
        const factors = adapter.factors[module];
        const old = layer.linear[role];
        if (factors && old) linear[role] = change(module, old, factors);
      }
      return { ...layer, linear };
    });
  each((module, old, factors) => {
    if (!isPacked(old.weight)) changed[module] = { ...factors, weight: old.weight };
    return old;
  });
  const size = Object.values(changed).reduce((sum, { a, b }) => sum + a.shape[0] * b.shape[1], 0);
  const both = size <= MOST_BOTH_WAYS;
  const merged = jit(config, 'merge', changed, (given) => {
    runsSideBySide();
    return Object.fromEntries(Object.entries(given).map(([module, one]) => [module, mergedWeight(one, both)]));
  });
  const layers = each((module, old, factors) => {
    const weight = merged[module];
    return weight ? { ...old, weight } : { ...old, beside: factors };
  });
  return { ...weights, layers };
}

/** So many merged numbers at most are laid out in both directions, which is quicker and takes their size once more: 2 GB. */
const MOST_BOTH_WAYS = 2 ** 29;

/** A weight of which no bits are missing. */
type Whole = tf.Tensor2D | PanelWeight;

function mergedWeight({ weight, a, b, scale }: LoraFactors & { weight: Whole }, both: boolean): Whole {
  return tidied(() => {
    const scaled: tf.Tensor2D = tf.mul(a, scale);
    return isInPanels(weight) ? mergePanels(weight, scaled, b, both) : addProduct(weight, scaled, b);
  });
}

/** Frees what mergeAdapter made and leaves what `weights` owns. */
export function freeMerged(merged: Weights, weights: Weights): void {
  merged.layers.forEach((layer, n) => {
    for (const [role, { weight }] of Object.entries(layer.linear))
      if (!isPacked(weight) && weight !== weights.layers[n]?.linear[role as LinearRole]?.weight) freeMatrix(weight);
  });
}
