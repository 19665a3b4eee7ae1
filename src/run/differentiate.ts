import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Adapter, type AdapterRun, adapterParameters, withParameters } from '../model/lora';
import type { DecoderConfig } from '../model/model';
import { hasFused } from '../tensor/fused';
import { jit, jitAside, runsSideBySide } from '../tensor/jit';
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

/** What a loss is computed with besides tensors. */
export interface Differentiation {
  config: DecoderConfig;
  adapter: Adapter;
  dropout: AdapterRun['dropout'];
  /** Says everything that the loss depends on besides `args` and the adapter. */
  key: string;
  signal?: AbortSignal;
}

/**
 * Gradients of `total` with respect to the adapter alone, and all scalars of the loss; compiled where the engine can. `args`: every tensor
 * that the loss depends on. The caller owns the tensors of both results.
 * @throws the signal's reason when it is aborted
 */
export async function differentiate<Args extends object, Loss extends { total: Scalar }>(
  { config, adapter, dropout, key, signal }: Differentiation,
  args: Args,
  lossOf: (run: AdapterRun, args: Args) => Loss,
): Promise<{ loss: Loss; gradients: TensorRecord }> {
  const keyTensor = dropout && tf.tensor1d([dropout.key], 'int32');
  const all = { parameters: orderedParameters(adapter), args, keyTensor };
  const compute = (given: typeof all) =>
    gradientsOf(given.parameters, (parameters) => {
      const run = { adapter: withParameters(adapter, parameters), dropout: dropout && { ...dropout, ...keyOf(given) } };
      return lossOf(run, given.args);
    });
  try {
    // Without the fused op dropout's masks are made in JavaScript, anew for every step.
    if (dropout && !hasFused()) return compute(all);
    const scales = Object.values(adapter.factors).map(({ scale }) => scale);
    const numbers = JSON.stringify([dropout?.rate, scales.length, ...new Set(scales)]);
    return await jitAside(config, `${key} ${numbers}`, all, compute, signal);
  } finally {
    tf.dispose(keyTensor ?? []);
  }
}

const keyOf = ({ keyTensor }: { keyTensor?: tf.Tensor1D }) => ({ keyTensor });

function gradientsOf<Loss extends { total: Scalar }>(
  parameters: TensorRecord,
  lossOf: (parameters: TensorRecord) => Loss,
): { loss: Loss; gradients: TensorRecord } {
  const names = Object.keys(parameters);
  let loss: Loss | undefined;
  const gradients = tf.tidy(() => {
    const { grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const result = lossOf(Object.fromEntries(names.map((name, i) => [name, values[i] as Tensor])));
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

/** Of what is compiled for no model. */
const sums = {};

/** a + b of every gradient; frees both. */
export function addGradients(a: TensorRecord, b: TensorRecord): TensorRecord {
  const sum = tf.tidy(() =>
    jit(sums, 'sum', { a, b }, (given) => {
      runsSideBySide();
      return Object.fromEntries(Object.entries(given.a).map(([name, x]) => [name, tf.add(x, given.b[name] as Tensor)]));
    }),
  );
  tf.dispose([a, b]);
  return sum;
}
