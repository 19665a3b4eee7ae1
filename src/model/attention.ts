import * as tf from '@tensorflow/tfjs-core';
import { constantsOf } from './constants';
import { gatherRows } from './gatherRows';
import { type AdapterRun, linear } from './lora';
import type { DecoderConfig, LayerWeights } from './model';
import { applyRope, type RopeTables } from './rope';

export interface AttentionInput {
  /** [B*T, D], already normed. */
  x: tf.Tensor2D;
  batch: number;
  layer: number;
  weights: LayerWeights['linear'];
  rope: RopeTables;
  /** Added to the scores: [1 or B, 1, T, S]; none: every query sees every key. */
  mask?: tf.Tensor4D;
  past?: { k: tf.Tensor3D; v: tf.Tensor3D };
  /** [N] int32, places in B*T: y of these only. */
  select?: tf.Tensor1D;
  adapter?: AdapterRun;
}

/**
 * Causal self-attention with grouped queries: y [B*T, D] (or [N, D]), and the keys and values [B*KV, S, hd] it has seen.
 * The queries of one group are laid under one another, [B*KV, group*T, hd], so that keys and values are never repeated.
 */
export function attention(
  config: DecoderConfig,
  { x, batch, layer, weights, rope, mask, past, select, adapter }: AttentionInput,
): { y: tf.Tensor2D; k: tf.Tensor3D; v: tf.Tensor3D } {
  const { heads, keyValueHeads, headDim } = config;
  const length = x.shape[0] / batch;
  const project = (name: 'q_proj' | 'k_proj' | 'v_proj' | 'o_proj', input: tf.Tensor2D) =>
    linear(input, weights[name], `model.layers.${layer}.self_attn.${name}`, adapter);
  // [B*T, n*hd] -> [B*KV, n/KV * T, hd]
  const byHead = (flat: tf.Tensor2D, n: number) => {
    const four = tf.transpose(tf.reshape(flat, [batch, length, n, headDim]), [0, 2, 1, 3]);
    return tf.reshape(four, [batch * keyValueHeads, (n / keyValueHeads) * length, headDim]) as tf.Tensor3D;
  };
  const q = byHead(applyRope(project('q_proj', x), rope.q, rope.rotate, batch), heads);
  let k = byHead(applyRope(project('k_proj', x), rope.k, rope.rotate, batch), keyValueHeads);
  let v = byHead(project('v_proj', x), keyValueHeads);
  if (past) {
    k = tf.concat([past.k, k], 1);
    v = tf.concat([past.v, v], 1);
  }
  const seen = k.shape[1];
  // The scale 1/sqrt(hd) is in q's rope table.
  let scores: tf.Tensor = tf.matMul(q, k, false, true);
  if (mask) scores = tf.add(tf.reshape(scores, [batch, heads, length, seen]), mask);
  const shares = tf.reshape(tf.softmax(scores), [batch * keyValueHeads, -1, seen]) as tf.Tensor3D;
  const mixed = tf.reshape(tf.matMul(shares, v), [batch, heads, length, headDim]);
  const rows = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * length, heads * headDim]) as tf.Tensor2D;
  const y = project('o_proj', select ? gatherRows(rows, select) : rows);
  return { y, k, v };
}

/** Large enough that softmax gives exactly 0, small enough to stay finite in rows that see nothing. */
export const MASKED = -1e9;

/** [1, 1, length, past + length]: 0 where a query may look, MASKED where not. Made once per shape. */
export function causalMask(config: DecoderConfig, length: number, past: number): tf.Tensor4D {
  const [mask] = constantsOf(config).get(`causal ${length} ${past}`, () => {
    const seen = past + length;
    const values = new Float32Array(length * seen);
    for (let i = 0; i < length; i++) values.fill(MASKED, i * seen + past + i + 1, (i + 1) * seen);
    return [tf.tensor4d(values, [1, 1, length, seen])];
  });
  return mask as tf.Tensor4D;
}
