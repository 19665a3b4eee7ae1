import * as tf from '@tensorflow/tfjs-core';
import { attention, causalMask } from './attention';
import type { Cache } from './cache';
import type { Family } from './family';
import { feedForward } from './feedForward';
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
}

/** Rows of the embedding table. ids [B, T] int32 -> [B, T, D] */
export function embed(weights: Pick<Weights, 'embedding'>, ids: tf.Tensor2D): tf.Tensor3D {
  const [batch, length] = ids.shape;
  const flat = tf.reshape(ids, [batch * length, 1]);
  // tfjs differentiates a gather by a kernel that the wasm engine lacks; adding the rows up again is scatterND.
  const gather = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const table = inputs[0] as tf.Tensor2D;
    return {
      value: tf.gather(table, tf.reshape(flat, [batch * length])),
      gradFunc: (dy: tf.Tensor) => tf.scatterND(flat, dy, table.shape),
    };
  });
  return tf.reshape(gather(weights.embedding), [batch, length, -1]) as tf.Tensor3D;
}

/** The hidden states after the final norm, [B, T, D], and the grown cache where one was given. Differentiable throughout. */
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
      const next = tidied(() => {
        const normed = rmsNorm(x, w.inputNorm, config.normEpsilon);
        const past = cache?.layers[layer];
        const { y, k, v } = attention(config, {
          x: normed,
          batch,
          layer,
          weights: w.linear,
          rope,
          mask,
          past,
          adapter,
        });
        const middle: tf.Tensor2D = tf.add(x, y);
        const normed2 = rmsNorm(middle, w.postNorm, config.normEpsilon);
        const x2: tf.Tensor2D = tf.add(middle, feedForward(normed2, w.linear, layer, adapter));
        return cache ? { x: x2, k, v } : { x: x2, k: undefined, v: undefined };
      });
      x = next.x;
      if (grown && next.k && next.v) grown.layers.push({ k: next.k, v: next.v });
    });
    const hidden = tf.reshape(rmsNorm(x, weights.norm, config.normEpsilon), [batch, length, size]) as tf.Tensor3D;
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
