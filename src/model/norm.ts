import * as tf from '@tensorflow/tfjs-core';
import { addRmsNorm, hasFused, rmsNorm } from '../tensor/fused';
import type { DecoderConfig, Norm } from './model';

/**
 * Norm over the last axis; x [N, D] as it is where there is none. rms: x / sqrt(mean(x^2) + epsilon) * weight. layer: with the mean taken
 * off first and a bias added.
 */
export function normalize(config: DecoderConfig, x: tf.Tensor2D, norm: Norm | undefined): tf.Tensor2D {
  if (!norm) return x;
  if (config.family.norm !== 'layer' && hasFused()) return rmsNorm(x, norm.weight, config.normEpsilon);
  const centred = config.family.norm === 'layer' ? tf.sub(x, tf.mean(x, -1, true)) : x;
  const mean = tf.mean(tf.square(centred), -1, true);
  const scaled: tf.Tensor2D = tf.mul(tf.mul(centred, tf.rsqrt(tf.add(mean, config.normEpsilon))), norm.weight);
  return norm.bias ? tf.add(scaled, norm.bias) : scaled;
}

/** sum = x + added (x where nothing is added), and its norm. */
export function addAndNormalize(
  config: DecoderConfig,
  x: tf.Tensor2D,
  added: tf.Tensor2D | undefined,
  norm: Norm | undefined,
): { sum: tf.Tensor2D; normed: tf.Tensor2D } {
  if (added && norm && config.family.norm !== 'layer' && hasFused())
    return addRmsNorm(x, added, norm.weight, config.normEpsilon);
  const sum: tf.Tensor2D = added ? tf.add(x, added) : x;
  return { sum, normed: normalize(config, sum, norm) };
}
