import * as tf from '@tensorflow/tfjs-core';

/** Runs `fn` and throws if afterwards there are more or fewer tensors than before: for tests, and for one step of a training loop. */
export async function assertBalanced<T>(fn: () => T | Promise<T>): Promise<T> {
  const before = tf.memory();
  const result = await fn();
  const after = tf.memory();
  const tensors = after.numTensors - before.numTensors;
  const buffers = after.numDataBuffers - before.numDataBuffers;
  if (tensors !== 0 || buffers !== 0) {
    throw new Error(`tensors are not balanced: ${tensors} more tensors, ${buffers} more buffers than before`);
  }
  return result;
}
