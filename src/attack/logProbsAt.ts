import type { Tensor1D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Batch, partsOf } from '../data/batch';
import { embed } from '../model/decoder';
import { jitAside } from '../tensor/jit';
import { logProbsOfTargets, type Target } from './forward';

/** log p of every target of the batch, [N], with `delta` [B, T, D] added to the embeddings where one is given; compiled where the engine can. */
export function logProbsAt(
  { model, weights }: Pick<Target, 'model' | 'weights'>,
  batch: Batch,
  delta?: Tensor3D,
  signal?: AbortSignal,
): Promise<Tensor1D> {
  const args = { weights, parts: partsOf(batch), delta };
  const compute = (given: typeof args) =>
    tf.tidy(() => {
      const clean = embed(given.weights, given.parts.ids);
      const embeddings = given.delta ? (tf.add(clean, given.delta) as Tensor3D) : clean;
      return logProbsOfTargets({ model, weights: given.weights }, given.parts, embeddings);
    });
  return jitAside(model.config, 'log probs', args, compute, signal);
}
