import * as tf from '@tensorflow/tfjs-core';
import { after } from './fused';
import { flatten, rebuild } from './trees';

/**
 * fn(x, inputs, fixed), of which only the arguments and the result are kept until the gradient, which computes the rest anew (gradient
 * checkpointing, arXiv 1604.06174). Gradients reach x and the tensors of `inputs`, all of which fn depends on; none reaches those of `fixed`.
 * What else fn uses must live until the gradient is taken.
 */
export function checkpointed<X extends tf.Tensor, Inputs, Fixed>(
  x: X,
  inputs: Inputs,
  fixed: Fixed,
  fn: (x: X, inputs: Inputs, fixed: Fixed) => X,
): X {
  const others = flatten(fixed).tensors;
  const compute = ([first, ...own]: readonly tf.Tensor[], rest: readonly tf.Tensor[]) =>
    fn(first as X, rebuild(inputs, own) as Inputs, rebuild(fixed, rest) as Fixed);
  const given = [x, ...flatten(inputs).tensors];
  const run = tf.customGrad((...all: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = all.pop() as tf.GradSaveFunc;
    const tensors = all as tf.Tensor[];
    save([...tensors, ...others]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [first, ...own] = saved.slice(0, tensors.length) as [tf.Tensor, ...tf.Tensor[]];
      const again = (...these: tf.Tensor[]) => compute(these, saved.slice(tensors.length));
      return onItsOwnTape(() => tf.grads(again)([after(first, dy), ...own], dy));
    };
    return { value: compute(tensors, others), gradFunc };
  });
  return run(...given) as X;
}

/** TensorFlow.js has one tape, which a gradient that is taken within another would end. */
function onItsOwnTape<T>(work: () => T): T {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return work();
  } finally {
    state.activeTape = activeTape;
  }
}
