import * as tf from '@tensorflow/tfjs-core';
import { attention, causalMask } from './attention';
import type { Cache } from './cache';
import type { Family } from './family';
import { feedForward } from './feedForward';
import { gatherRows } from './gatherRows';
import type { AdapterRun } from './lora';
import type { DecoderConfig, Weights } from './model';
import { ropeTables } from './rope';
import { tidied } from './tidied';

export interface DecoderInput {
  /** Unscaled rows, [B, T, D]. */
  embeddings: tf.Tensor3D;
  /** [B, T] int32; default: 0..T-1 after what the cache holds. */
  positions?: tf.Tensor2D;
  /** Added to the attention scores, [B, T, S]; default: causal. Rows padded on the right need no other. */
  mask?: tf.Tensor3D;
  /** What was seen before; emptyCache() to begin one. Left as it is. */
  cache?: Cache;
  /**
   * [N] int32, places in B*T: only these are wanted, which spares the last layer most of its work. Same numbers as
   * without, but for the adapter's dropout.
   */
  select?: tf.Tensor1D;
}

/** Rows of the embedding table. ids [B, T] int32 -> [B, T, D] */
export function embed(weights: Pick<Weights, 'embedding'>, ids: tf.Tensor2D): tf.Tensor3D {
  const [batch, length] = ids.shape;
  const rows = gatherRows(weights.embedding, tf.reshape(ids, [batch * length]) as tf.Tensor1D);
  return tf.reshape(rows, [batch, length, -1]) as tf.Tensor3D;
}

/**
 * The hidden states after the final norm, [B, T, D] (or [1, N, D] of the selected places), and the grown cache where one was given.
 * Differentiable throughout.
 */
export function decode(
  model: { config: DecoderConfig; family: Family },
  weights: Weights,
  input: DecoderInput,
  adapter?: AdapterRun,
): { hidden: tf.Tensor3D; cache?: Cache } {
  return tidied(() => {
    const { config } = model;
    const { embeddings, cache } = input;
    const [batch, length, size] = embeddings.shape;
    const past = cache?.length ?? 0;
    const seen = past + length;
    const rope = ropeTables(config, length, input.positions ?? (past > 0 ? following(batch, length, past) : undefined));
    const mask = input.mask
      ? (tf.reshape(input.mask, [-1, 1, length, seen]) as tf.Tensor4D)
      : length > 1
        ? causalMask(config, length, past)
        : undefined;
    const grown: Cache | undefined = cache && { layers: [], length: seen };
    let x = tf.reshape(embeddings, [batch * length, size]) as tf.Tensor2D;
    weights.layers.forEach((w, layer) => {
      // Behind the last layer's attention nobody looks at the other places any more.
      const select = layer === weights.layers.length - 1 ? input.select : undefined;
      const next = tidied(() => {
        const normed = rmsNorm(x, w.inputNorm, config.normEpsilon);
        const past = cache?.layers[layer];
        const common = { batch, layer, weights: w.linear, rope, mask, past, select, adapter };
        const { y, k, v } = attention(config, { ...common, x: normed });
        const middle: tf.Tensor2D = tf.add(select ? gatherRows(x, select) : x, y);
        const normed2 = rmsNorm(middle, w.postNorm, config.normEpsilon);
        const x2: tf.Tensor2D = tf.add(middle, feedForward(normed2, w.linear, layer, adapter));
        return cache ? { x: x2, k, v } : { x: x2, k: undefined, v: undefined };
      });
      x = next.x;
      if (grown && next.k && next.v) grown.layers.push({ k: next.k, v: next.v });
    });
    const shape: [number, number, number] = input.select ? [1, input.select.shape[0], size] : [batch, length, size];
    const hidden = tf.reshape(rmsNorm(x, weights.norm, config.normEpsilon), shape) as tf.Tensor3D;
    return grown ? { hidden, cache: grown } : { hidden };
  });
}

/** hidden [N, D] -> [N, V] */
export function logits(weights: Pick<Weights, 'head'>, hidden: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(hidden, weights.head);
}

function following(batch: number, length: number, past: number): tf.Tensor2D {
  const values = Int32Array.from({ length: batch * length }, (_, i) => past + (i % length));
  return tf.tensor2d(values, [batch, length], 'int32');
}

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis. x [N, D] */
function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  const mean = tf.mean(tf.square(x), -1, true);
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(mean, epsilon))), weight);
}
