import * as tf from '@tensorflow/tfjs-core';
import { type AdapterRun, linear } from './lora';
import type { LayerWeights } from './model';

/** down(silu(gate x) * up x). x [B*T, D], already normed -> [B*T, D] */
export function feedForward(
  x: tf.Tensor2D,
  weights: LayerWeights['linear'],
  layer: number,
  adapter?: AdapterRun,
): tf.Tensor2D {
  const project = (name: 'gate_proj' | 'up_proj' | 'down_proj', input: tf.Tensor2D) =>
    linear(input, weights[name], `model.layers.${layer}.mlp.${name}`, adapter);
  const gate = project('gate_proj', x);
  const up = project('up_proj', x);
  return project('down_proj', tf.mul(tf.mul(gate, tf.sigmoid(gate)), up));
}
