import type { Scalar } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { withParameters } from '../model/lora';
import type { TensorRecord } from '../tensor/optimizer';
import type { TrainState } from './checkpoint';
import { orderedParameters } from './differentiate';

/** One AdamW step with the mean of the summed gradients, clipped. Replaces the adapter of the state and frees the old one; returns the norm before clipping. */
export function update(
  state: Pick<TrainState, 'adapter' | 'optimizer'>,
  sum: TensorRecord,
  rate: number,
  { accumulation, clipNorm }: { accumulation: number; clipNorm: number },
): Scalar {
  const old = orderedParameters(state.adapter);
  const clip = { maxNorm: clipNorm, divisor: accumulation };
  const { parameters, norm } = state.optimizer.step(old, sum, rate, clip);
  state.adapter = withParameters(state.adapter, parameters);
  tf.dispose([old, sum]);
  return norm as Scalar;
}
