import '@tensorflow/tfjs-core/dist/register_all_gradients';
import * as tf from '@tensorflow/tfjs-core';

/** dy [as x, without `axis`] laid out over x's shape, times `factor`. */
function spread(dy: tf.Tensor, x: tf.Tensor, axis: number[], factor: number): tf.Tensor {
  const kept = x.shape.map((size, i) => (axis.includes(i) ? 1 : size));
  return tf.mul(tf.reshape(factor === 1 ? dy : tf.mul(dy, factor), kept), tf.fill(x.shape, 1));
}

const axesOf = (attrs: tf.NamedAttrMap, x: tf.Tensor) => tf.util.parseAxisParam(attrs['axis'] as number[], x.shape);

/**
 * The package's gradients of sums and means, registered by its side effect above, make an array of ones in JavaScript each time they
 * run, which fills the heap at every norm of every layer. These give the same values and leave the ones to the engine.
 */
export function mendGradients(): void {
  tf.registerGradient({
    kernelName: 'Sum',
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attrs) => ({
      x: () => spread(dy as tf.Tensor, x as tf.Tensor, axesOf(attrs, x as tf.Tensor), 1),
    }),
  });
  tf.registerGradient({
    kernelName: 'Mean',
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attrs) => ({
      x: () => {
        const axes = axesOf(attrs, x as tf.Tensor);
        const size = axes.reduce((product, axis) => product * ((x as tf.Tensor).shape[axis] ?? 1), 1);
        return spread(dy as tf.Tensor, x as tf.Tensor, axes, 1 / size);
      },
    }),
  });
}
