import * as tf from '@tensorflow/tfjs-core';
import { constantsOf } from './constants';
import type { DecoderConfig } from './model';

/** cos and sin for every number of a flat row of heads, [1 or B, T * heads * headDim]; those of q hold 1/sqrt(headDim) too. */
export interface RopeTables {
  q: { cos: tf.Tensor2D; sin: tf.Tensor2D };
  k: { cos: tf.Tensor2D; sin: tf.Tensor2D };
  /** [headDim, headDim]: x R = (-second half, first half). One product instead of two slices, a negation and a concat. */
  rotate: tf.Tensor2D;
}

/** Inverse frequencies [headDim / 2], with `llama3` scaling (transformers' modeling_rope_utils.py) where config has it. */
export function inverseFrequencies(config: DecoderConfig): Float32Array {
  const { headDim, ropeTheta, ropeScaling } = config;
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = 1 / ropeTheta ** ((2 * i) / headDim);
    if (!ropeScaling) return frequency;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = ropeScaling;
    const waves = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (waves < low) return frequency / factor;
    if (waves > high) return frequency;
    const smooth = (waves - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** Tables for positions [B, T] (int32), or for 0..length-1 in every row, which are made once per length. */
export function ropeTables(config: DecoderConfig, length: number, positions?: tf.Tensor2D): RopeTables {
  const { heads, keyValueHeads, headDim } = config;
  const constants = constantsOf(config);
  const [rotate] = constants.get('rotate', () => [rotation(headDim)]) as [tf.Tensor2D];
  const fromAngles = (rows: number, angles: tf.Tensor) => {
    const scale = 1 / Math.sqrt(headDim);
    const [cos, sin] = [tf.cos(angles), tf.sin(angles)];
    const flat = (x: tf.Tensor, n: number) => tf.reshape(tf.tile(x, [1, n]), [rows, length * n * headDim]);
    return [
      flat(tf.mul(cos, scale), heads),
      flat(tf.mul(sin, scale), heads),
      flat(cos, keyValueHeads),
      flat(sin, keyValueHeads),
    ];
  };
  const frequencies = () => {
    const half = inverseFrequencies(config);
    return tf.tensor2d([...half, ...half], [1, headDim]);
  };
  const made = positions
    ? fromAngles(positions.shape[0], tf.mul(tf.reshape(tf.cast(positions, 'float32'), [-1, 1]), frequencies()))
    : constants.get(`rope ${length}`, () =>
        fromAngles(1, tf.mul(tf.reshape(tf.range(0, length, 1, 'float32'), [-1, 1]), frequencies())),
      );
  const [cosQ, sinQ, cosK, sinK] = made as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  return { q: { cos: cosQ, sin: sinQ }, k: { cos: cosK, sin: sinK }, rotate };
}

/** x [B*T, heads*headDim] turned by its positions; same shape. */
export function applyRope(
  x: tf.Tensor2D,
  table: { cos: tf.Tensor; sin: tf.Tensor },
  rotate: tf.Tensor2D,
  batch: number,
) {
  const rows = tf.reshape(x, [batch, -1]);
  const turned = tf.reshape(tf.matMul(tf.reshape(x, [-1, rotate.shape[0]]), rotate), rows.shape);
  return tf.reshape(tf.add(tf.mul(rows, table.cos), tf.mul(turned, table.sin)), x.shape) as tf.Tensor2D;
}

function rotation(headDim: number): tf.Tensor2D {
  const half = headDim / 2;
  const values = new Float32Array(headDim * headDim);
  for (let i = 0; i < half; i++) {
    values[(i + half) * headDim + i] = -1;
    values[i * headDim + i + half] = 1;
  }
  return tf.tensor2d(values, [headDim, headDim]);
}
