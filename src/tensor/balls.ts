import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** L2 norm of each token's perturbation. delta [B, T, D] -> [B, T], in the units of the embedding rows. */
export function tokenNorms(delta: Tensor3D): Tensor2D {
  return tf.sqrt(tf.sum(tf.square(delta), 2));
}

/**
 * Each token's perturbation, scaled back to length `radius` where it is longer. delta [B, T, D] -> [B, T, D]; the projection of
 * arXiv 2405.15589, section 3. Tokens inside the ball keep their values exactly.
 */
export function projectL2(delta: Tensor3D, radius: number): Tensor3D {
  // max(norm, radius) makes the factor exactly 1 inside; the floor keeps 0 / 0 away when the radius is 0
  const lengths = tf.maximum(tf.expandDims(tokenNorms(delta), 2), Math.max(radius, 1e-30));
  return tf.mul(delta, tf.div(radius, lengths));
}
