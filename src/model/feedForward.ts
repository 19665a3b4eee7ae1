import * as tf from '@tensorflow/tfjs-core';
import { activations } from './activation';
import { type LayerRun, project } from './lora';

/** down(act(gate x) * up x), or down(act(up x)) without a gate. x [B*T, D], already normed -> [B*T, D] */
export function feedForward(run: LayerRun, x: tf.Tensor2D): tf.Tensor2D {
  const act = activations[run.config.activation];
  const { linear } = run.config.family;
  if (linear.gateUp) {
    const [gate, up] = tf.split(project(run, 'gateUp', x), 2, 1) as [tf.Tensor2D, tf.Tensor2D];
    return project(run, 'down', tf.mul(act(gate), up));
  }
  if (!linear.gate) return project(run, 'down', act(project(run, 'up', x)));
  const gate = project(run, 'gate', x);
  const up = project(run, 'up', x);
  return project(run, 'down', tf.mul(act(gate), up));
}
