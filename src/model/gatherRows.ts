import * as tf from '@tensorflow/tfjs-core';

/**
 * Rows of x at `places`. x [M, D], places [N] int32 -> [N, D]. Its gradient adds rows up by scatterND, since the wasm engine has no
 * kernel for the gradient that tf.gather asks for.
 */
export function gatherRows(x: tf.Tensor2D, places: tf.Tensor1D): tf.Tensor2D {
  const { shape } = x;
  const gather = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows, save] = inputs as [tf.Tensor2D, tf.GradSaveFunc];
    // Saved, since it may be a tensor of the differentiated function itself, which is gone when the gradient is taken.
    save([places]);
    return {
      value: tf.gather(rows, places),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.scatterND(tf.reshape(saved[0] ?? places, [-1, 1]), dy, shape),
    };
  });
  return gather(x) as tf.Tensor2D;
}
