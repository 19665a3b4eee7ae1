import * as tf from '@tensorflow/tfjs-core';

/** tf.tidy for results that are our own interfaces, whose types tf.tidy's signature does not take. */
export function tidied<T>(make: () => T): T {
  return tf.tidy(make as unknown as () => tf.TensorContainer) as T;
}
