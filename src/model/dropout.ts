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
  // One draw of 32 bits decides about two numbers, by 16 bits each: drawing is what this costs.
  const limit = Math.round(rate * 65536);
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; i += 2) {
    const bits = Math.floor(random.next() * 4294967296);
    values[i] = bits >>> 16 < limit ? 0 : kept;
    if (i + 1 < values.length) values[i + 1] = (bits & 0xffff) < limit ? 0 : kept;
  }
  return tf.tensor(values, [...shape]);
}
