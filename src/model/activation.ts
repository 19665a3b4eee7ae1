import * as tf from '@tensorflow/tfjs-core';

/** x / 2 (1 + erf(x / sqrt 2)) */
const gelu = (x: tf.Tensor2D): tf.Tensor2D => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

/** The tanh form, x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), written with a sigmoid: (1 + tanh z) / 2 = sigmoid(2 z). */
const geluTanh = (x: tf.Tensor2D): tf.Tensor2D => {
  const cubic = tf.mul(tf.mul(x, tf.square(x)), 0.044715);
  return tf.mul(x, tf.sigmoid(tf.mul(tf.add(x, cubic), 2 * Math.sqrt(2 / Math.PI))));
};

/** By the names of config.json; gelu_new, gelu_fast and gelu_pytorch_tanh are one function. */
export const activations = {
  silu: (x: tf.Tensor2D): tf.Tensor2D => tf.mul(x, tf.sigmoid(x)),
  gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: (x: tf.Tensor2D): tf.Tensor2D => tf.relu(x),
};
export type Activation = keyof typeof activations;
