import * as tf from '@tensorflow/tfjs-core';
import { constantsOf } from './constants';
import { dependsOnLength, frequenciesOf } from './frequencies';
import type { DecoderConfig, Rope } from './model';

/** cos and sin for every number of a flat row of heads, [1 or B, T * heads * headDim]; those of q hold the scale of the scores too. */
export interface RopeTables {
  q: { cos: tf.Tensor2D; sin: tf.Tensor2D };
  k: { cos: tf.Tensor2D; sin: tf.Tensor2D };
  /** [headDim, headDim]: x R = (-second half, first half) of what is turned, 0 elsewhere. One product instead of two slices, a negation and a concat. */
  rotate: tf.Tensor2D;
}

export interface RopeRange {
  /** T. */
  length: number;
  /** Tokens seen at the end of the pass, those of the cache included. */
  seen: number;
  /** [B, T] int32; default: 0..T-1 in every row, whose tables are made once per length. */
  positions?: tf.Tensor2D;
}

/** cos and sin per place, [1 or B, T, headDim], for the fused op that turns and lays out heads. */
export interface CompactRope {
  cos: tf.Tensor3D;
  sin: tf.Tensor3D;
  /** How many numbers of a head are turned. */
  rotary: number;
}

/** Tables of one rope for the fused op; without a rope, tables that turn nothing. */
export function compactRope(
  config: DecoderConfig,
  name: string,
  rope: Rope | undefined,
  range: RopeRange,
): CompactRope {
  const { headDim } = config;
  const { length, seen, positions } = range;
  if (!rope) {
    const [still] = constantsOf(config).get(`still ${length}`, () => [tf.zeros([1, length, headDim])]);
    return { cos: still as tf.Tensor3D, sin: still as tf.Tensor3D, rotary: 0 };
  }
  const fromPositions = (rows: number, places: tf.Tensor) =>
    turns(rope, headDim, seen, places).map((x) => tf.reshape(x, [rows, length, headDim]));
  const key = `compact rope ${name} ${length}${dependsOnLength(rope) ? ` ${seen}` : ''}`;
  const made = positions
    ? fromPositions(positions.shape[0], tf.cast(positions, 'float32'))
    : constantsOf(config).get(key, () => fromPositions(1, tf.range(0, length, 1, 'float32')));
  const [cos, sin] = made as [tf.Tensor3D, tf.Tensor3D];
  return { cos, sin, rotary: rope.rotary };
}

/** Tables of one rope (`name` tells two ropes of a config apart). */
export function ropeTables(config: DecoderConfig, name: string, rope: Rope, range: RopeRange): RopeTables {
  const { heads, keyValueHeads, headDim } = config;
  const { length, seen, positions } = range;
  const constants = constantsOf(config);
  const [rotate] = constants.get(`rotate ${rope.rotary}`, () => [rotation(headDim, rope.rotary)]) as [tf.Tensor2D];
  const fromPositions = (rows: number, places: tf.Tensor) => {
    const [cos, sin] = turns(rope, headDim, seen, places);
    const flat = (x: tf.Tensor, n: number) => tf.reshape(tf.tile(x, [1, n]), [rows, length * n * headDim]);
    return [
      flat(tf.mul(cos, config.queryScale), heads),
      flat(tf.mul(sin, config.queryScale), heads),
      flat(cos, keyValueHeads),
      flat(sin, keyValueHeads),
    ];
  };
  const key = `rope ${name} ${length}${dependsOnLength(rope) ? ` ${seen}` : ''}`;
  const made = positions
    ? fromPositions(positions.shape[0], tf.cast(positions, 'float32'))
    : constants.get(key, () => fromPositions(1, tf.range(0, length, 1, 'float32')));
  const [cosQ, sinQ, cosK, sinK] = made as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  return { q: { cos: cosQ, sin: sinQ }, k: { cos: cosK, sin: sinK }, rotate };
}

/** cos and sin of positions (any shape, N in all), [N, headDim] each. */
function turns(rope: Rope, headDim: number, seen: number, positions: tf.Tensor): [tf.Tensor2D, tf.Tensor2D] {
  const { inverse, factor } = frequenciesOf(rope, seen);
  // What is not turned has the angle 0.
  const still = headDim - rope.rotary;
  const row = tf.tensor2d([...inverse, ...inverse, ...new Array<number>(still).fill(0)], [1, headDim]);
  const angles: tf.Tensor2D = tf.mul(tf.reshape(positions, [-1, 1]), row);
  if (factor === 1) return [tf.cos(angles), tf.sin(angles)];
  const factors = new Float32Array(headDim).fill(factor, 0, rope.rotary).fill(1, rope.rotary);
  const scale = tf.tensor2d(factors, [1, headDim]);
  return [tf.mul(tf.cos(angles), scale), tf.mul(tf.sin(angles), scale)];
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

function rotation(headDim: number, rotary: number): tf.Tensor2D {
  const half = rotary / 2;
  const values = new Float32Array(headDim * headDim);
  for (let i = 0; i < half; i++) {
    values[(i + half) * headDim + i] = -1;
    values[i * headDim + i + half] = 1;
  }
  return tf.tensor2d(values, [headDim, headDim]);
}
