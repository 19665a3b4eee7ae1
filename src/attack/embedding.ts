import type { Scalar, Tensor1D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../base/random';
import type { Batch } from '../data/batch';
import type { AttackOptions } from '../experiment/schema';
import { embed } from '../model/decoder';
import { projectL2 } from '../tensor/balls';
import { tokenMean } from '../tensor/losses';
import { type DeltaState, deltaStart, deltaStep } from '../tensor/optimizer';
import type { Attack } from './attack';
import { logProbsOfTargets, rowMeans, type Target } from './forward';

// The embedding attack of arXiv 2405.15589, section 3: signed gradient steps on a delta added to the embeddings of the prompt's tokens,
// each token's delta kept in an L2 ball. As the released code does it: the loss is the token-mean over the whole sub-batch, sign(0) = 0,
// the projection comes after every step, and the last delta is used.

export interface EmbeddingState {
  /** [B, T, D], 0 outside the tokens it may move. */
  delta: Tensor3D;
  /** [B, T, D]: the clean embeddings, unscaled rows. */
  clean: Tensor3D;
  /** Holds the moments of adam and rms. */
  optimizer: DeltaState;
  /** With keep: best, per row the delta of the lowest loss seen so far. loss [B]. */
  best?: { delta: Tensor3D; loss: Tensor1D };
}

/** Radius of the ball, in units of the embeddings. */
export const attackRadius = (target: Target, options: AttackOptions): number => options.epsilon * target.embeddingNorm;

/** Length of a step per coordinate: as it is, or so that sqrt(D) coordinates together cover stepSize radii. */
export function stepLength(target: Target, options: AttackOptions): number {
  if (options.stepSizeUnit === 'absolute') return options.stepSize;
  return (options.stepSize * attackRadius(target, options)) / Math.sqrt(target.model.config.hiddenSize);
}

function inBall(target: Target, batch: Batch, options: AttackOptions, delta: Tensor3D): Tensor3D {
  const moved = tf.mul(delta, batch.perturb) as Tensor3D;
  return options.ball === 'none' ? moved : projectL2(moved, attackRadius(target, options));
}

/** Uniform in the ball of `radius` around 0 in D dimensions, per token: a direction from normal numbers, a length from u^(1/D). */
function randomDelta(shape: [number, number, number], radius: number, random: Random): Tensor3D {
  const size = shape[2];
  const values = new Float32Array(shape[0] * shape[1] * size);
  for (let start = 0; start < values.length; start += size) {
    let square = 0;
    for (let i = 0; i < size; i++) {
      const value = random.normal();
      values[start + i] = value;
      square += value * value;
    }
    const scale = (radius * random.next() ** (1 / size)) / Math.sqrt(square);
    for (let i = 0; i < size; i++) values[start + i] = (values[start + i] as number) * scale;
  }
  return tf.tensor3d(values, shape);
}

/** [N] at this delta. */
const logProbs = (target: Target, batch: Batch, { clean }: EmbeddingState, delta: Tensor3D): Tensor1D =>
  logProbsOfTargets(target, batch, tf.add(clean, delta) as Tensor3D);

function keepBest(batch: Batch, state: EmbeddingState, values: Tensor1D): NonNullable<EmbeddingState['best']> {
  const loss = tf.neg(rowMeans(batch, values)) as Tensor1D;
  if (!state.best) return { delta: state.delta, loss };
  const better = tf.less(loss, state.best.loss);
  const rows = tf.reshape(better, [batch.rows, 1, 1]);
  return {
    delta: tf.where(tf.broadcastTo(rows, state.delta.shape), state.delta, state.best.delta) as Tensor3D,
    loss: tf.where(better, loss, state.best.loss) as Tensor1D,
  };
}

export const embeddingAttack: Attack<AttackOptions, EmbeddingState> = {
  version: 1,

  start(target, batch, options, random) {
    const clean = embed(target.weights, batch.ids);
    const delta =
      options.start === 'zero'
        ? (tf.zeros(clean.shape) as Tensor3D)
        : inBall(target, batch, options, randomDelta(clean.shape, attackRadius(target, options), random));
    return { delta, clean, optimizer: deltaStart(options.optimizer, delta) };
  },

  step(target, batch, options, state) {
    let values: Tensor1D | undefined;
    // d loss / d delta only: no weight takes part in the differentiation.
    const { value, grad } = tf.valueAndGrad((delta) => {
      const now = logProbs(target, batch, state, delta as Tensor3D);
      if (options.keep === 'best') values = tf.keep(tf.clone(now)) as Tensor1D;
      return tf.neg(tokenMean(now, batch.weights)) as Scalar;
    })(state.delta);
    const best = values && keepBest(batch, state, values);
    values?.dispose();
    const gradient = tf.mul(grad, batch.perturb) as Tensor3D;
    const moved = deltaStep(options.optimizer, state.delta, gradient, stepLength(target, options), state.optimizer);
    const delta = inBall(target, batch, options, moved.delta);
    return { loss: value as Scalar, state: { delta, clean: state.clean, optimizer: moved.state, best } };
  },

  result(target, batch, options, state) {
    if (options.keep === 'last') return state.delta;
    return keepBest(batch, state, logProbs(target, batch, state, state.delta)).delta;
  },
};
