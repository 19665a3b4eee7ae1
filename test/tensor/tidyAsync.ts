import * as tf from '@tensorflow/tfjs-core';

/** tf.tidy for work that awaits the values of tensors, which the engine webgpu does not give otherwise. Nothing else may use tensors meanwhile. */
export async function tidyAsync<T>(work: () => Promise<T>): Promise<T> {
  const engine = tf.engine();
  engine.startScope('test');
  try {
    return await work();
  } finally {
    engine.endScope();
  }
}
