import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { fusedTargetLogProbs, hasFused } from './fused';

/**
 * log p of each row's target, in nats. logits [N, V], ids [N] int32 in 0 .. V - 1 -> [N]; differentiable with respect to the logits.
 *
 * With m = max x, softmax's largest entry is 1 / sum exp(x - m), so log p_t = x_t - m + log(max softmax(x)): one softmax (fast on every
 * engine) serves value and gradient, and nothing underflows however small p_t is.
 */
export function targetLogProbs(logits: Tensor2D, ids: Tensor1D): Tensor1D {
  if (hasFused()) return fusedTargetLogProbs(logits, ids);
  const [rows, vocabulary] = logits.shape;
  const places = tf.add(tf.range(0, rows * vocabulary, vocabulary, 'int32'), ids);
  const logProbs = tf.customGrad((...inputs: (Tensor | tf.GradSaveFunc)[]) => {
    const [x, save] = inputs as [Tensor2D, tf.GradSaveFunc];
    const probabilities = tf.softmax(x);
    save([probabilities]);
    const chosen = tf.gather(tf.reshape(x, [rows * vocabulary]), places);
    const value = tf.add(tf.sub(chosen, tf.max(x, 1)), tf.log(tf.max(probabilities, 1)));
    const gradFunc = (dy: Tensor, saved: Tensor[]) =>
      tf.mul(tf.reshape(dy, [rows, 1]), tf.sub(tf.oneHot(ids, vocabulary), saved[0] as Tensor));
    return { value, gradFunc };
  });
  return logProbs(logits) as Tensor1D;
}

/** Mean over tokens. values [N]; weights [N]: what each is multiplied by in it, where some are padding. */
export const tokenMean = (values: Tensor1D, weights?: Tensor1D): Scalar =>
  (weights ? tf.sum(tf.mul(values, weights)) : tf.mean(values)) as Scalar;
