import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../base/random';

/**
 * 0 where a number is dropped, 1 / (1 - rate) where it stays. Depends on shape, module, seed and counter alone, so that a
 * resumed run drops the same numbers.
 */
export function dropoutMask(
  shape: readonly number[],
  module: string,
  { rate, seed, counter }: { rate: number; seed: number; counter: number },
): tf.Tensor {
  const random = new Random(seed, `dropout ${module} ${counter}`);
  const kept = 1 / (1 - rate);
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; i++) values[i] = random.next() < rate ? 0 : kept;
  return tf.tensor(values, [...shape]);
}
