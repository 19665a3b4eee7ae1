import * as tf from '@tensorflow/tfjs-core';
import { hasFused, swiglu } from '../tensor/fused';
import { activations } from './activation';
import { type LayerRun, project } from './lora';
import type { DecoderConfig } from './model';

/** down(act(gate x) * up x), or down(act(up x)) without a gate. x [B*T, D], already normed -> [B*T, D] */
export function feedForward(run: LayerRun, x: tf.Tensor2D): tf.Tensor2D {
  const { linear } = run.config.family;
  if (linear.gateUp) {
    const [gate, up] = tf.split(project(run, 'gateUp', x), 2, 1) as [tf.Tensor2D, tf.Tensor2D];
    return project(run, 'down', gated(run.config, gate, up));
  }
  if (!linear.gate) return project(run, 'down', activations[run.config.activation](project(run, 'up', x)));
  const gate = project(run, 'gate', x);
  const up = project(run, 'up', x);
  return project(run, 'down', gated(run.config, gate, up));
}

/** act(gate) * up */
function gated(config: DecoderConfig, gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  if (config.activation === 'silu' && hasFused()) return swiglu(gate, up);
  return tf.mul(activations[config.activation](gate), up);
}
