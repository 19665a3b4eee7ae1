import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Adapter, type AdapterRun, adapterParameters, withParameters } from '../model/lora';
import type { TensorRecord } from '../tensor/optimizer';

/** The adapter's parameters in the order of their names. Sums over parameters run in this order, so that a resumed run rounds alike. */
export function orderedParameters(adapter: Adapter): TensorRecord {
  const parameters = adapterParameters(adapter);
  return Object.fromEntries(
    Object.keys(parameters)
      .sort()
      .map((name) => [name, parameters[name] as Tensor]),
  );
}

/**
 * Gradients of `total` with respect to the adapter alone, and all scalars of the loss. The caller owns the tensors of both.
 */
export function differentiate<Loss extends { total: Scalar }>(
  adapter: Adapter,
  dropout: AdapterRun['dropout'],
  lossOf: (run: AdapterRun) => Loss,
): { loss: Loss; gradients: TensorRecord } {
  const parameters = orderedParameters(adapter);
  const names = Object.keys(parameters);
  let loss: Loss | undefined;
  const gradients = tf.tidy(() => {
    const { grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const changed = Object.fromEntries(names.map((name, i) => [name, values[i] as Tensor]));
      const result = lossOf({ adapter: withParameters(adapter, changed), dropout });
      // The scalars outlive the tape, which would free them.
      loss = Object.fromEntries(
        Object.entries(result).map(([name, value]) => [name, value && tf.keep(tf.clone(value as Tensor))]),
      ) as Loss;
      return result.total;
    })(Object.values(parameters));
    return Object.fromEntries(names.map((name, i) => [name, grads[i] as Tensor]));
  });
  if (!loss) throw new Error('the loss was not computed');
  return { loss, gradients };
}

/** a + b of every gradient; frees both. */
export function addGradients(a: TensorRecord, b: TensorRecord): TensorRecord {
  const sum = tf.tidy(() =>
    Object.fromEntries(Object.entries(a).map(([name, x]) => [name, tf.add(x, b[name] as Tensor)])),
  );
  tf.dispose([a, b]);
  return sum;
}
