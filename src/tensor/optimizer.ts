import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { fusedAdamW, hasFused } from './fused';

export type TensorRecord = { [name: string]: Tensor };

export interface AdamWOptions {
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Decoupled: a parameter shrinks by learningRate * weightDecay before its step. */
  weightDecay?: number;
}

/** What one Adam update takes; `scale`: what the gradient is multiplied by first. */
interface AdamInput {
  parameter: Tensor;
  grad: Tensor;
  first: Tensor;
  second: Tensor;
  scale?: Scalar;
}

/** One bias-corrected Adam update in the order of PyTorch's arithmetic. All new tensors; the caller owns them. */
function adamUpdate(
  given: AdamInput,
  { learningRate, beta1, beta2, epsilon, weightDecay }: Required<AdamWOptions>,
  step: number,
): { parameter: Tensor; first: Tensor; second: Tensor } {
  const root = Math.sqrt(1 - beta2 ** step);
  const rate = -learningRate / (1 - beta1 ** step);
  const keep = 1 - learningRate * weightDecay;
  return tf.tidy(() => {
    if (hasFused()) {
      const { parameter, grad, first, second, scale = tf.scalar(1) } = given;
      const rest = tf.tensor1d([beta1, beta2, epsilon, keep, root, rate]);
      const numbers = tf.concat([tf.reshape(scale, [1]), rest]) as Tensor1D;
      return fusedAdamW({ parameter, grad, first, second, numbers });
    }
    const grad = given.scale ? tf.mul(given.grad, given.scale) : given.grad;
    const first = tf.add(given.first, tf.mul(1 - beta1, tf.sub(grad, given.first)));
    const second = tf.add(tf.mul(given.second, beta2), tf.mul(tf.square(grad), 1 - beta2));
    const denominator = tf.add(tf.div(tf.sqrt(second), root), epsilon);
    const move = tf.mul(tf.div(first, denominator), rate);
    const kept = weightDecay === 0 ? given.parameter : tf.mul(given.parameter, keep);
    return { parameter: tf.add(kept, move), first, second };
  });
}

/** AdamW with PyTorch's arithmetic and defaults (arXiv 1711.05101). Owns its moments; `close` frees them. */
export class AdamW {
  private readonly options: Required<AdamWOptions>;
  private steps = 0;
  private moments: { [name: string]: { first: Tensor; second: Tensor } } = {};

  constructor(options: AdamWOptions = {}) {
    this.options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, ...options };
  }

  /**
   * New parameters, which the caller owns; the given ones stay. `scale` multiplies every gradient: clipScale. Throws when a parameter has no
   * gradient.
   */
  step(
    parameters: TensorRecord,
    grads: TensorRecord,
    learningRate = this.options.learningRate,
    scale?: Scalar,
  ): TensorRecord {
    this.steps++;
    const result: TensorRecord = {};
    for (const [name, parameter] of Object.entries(parameters)) {
      const grad = grads[name];
      if (grad === undefined) throw new Error(`AdamW was given no gradient of ${name}`);
      const old = this.moments[name] ?? { first: tf.zerosLike(parameter), second: tf.zerosLike(parameter) };
      const next = adamUpdate({ parameter, grad, scale, ...old }, { ...this.options, learningRate }, this.steps);
      tf.dispose(old);
      this.moments[name] = { first: tf.keep(next.first), second: tf.keep(next.second) };
      result[name] = next.parameter;
    }
    return result;
  }

  /** For a checkpoint: `step` (a scalar) and, per parameter, `exp_avg/NAME` and `exp_avg_sq/NAME`. The caller owns them. */
  toTensors(): TensorRecord {
    const result: TensorRecord = { step: tf.scalar(this.steps) };
    for (const [name, { first, second }] of Object.entries(this.moments)) {
      result[`exp_avg/${name}`] = tf.clone(first);
      result[`exp_avg_sq/${name}`] = tf.clone(second);
    }
    return result;
  }

  /** Goes back to where `toTensors` was called. Keeps none of the given tensors. */
  async fromTensors(tensors: TensorRecord): Promise<void> {
    const count = tensors['step'];
    if (count === undefined) throw new Error('the state of AdamW lacks its step');
    const [steps = 0] = await count.data();
    this.close();
    this.steps = steps;
    for (const [key, first] of Object.entries(tensors)) {
      if (!key.startsWith('exp_avg/')) continue;
      const name = key.slice('exp_avg/'.length);
      const second = tensors[`exp_avg_sq/${name}`];
      if (second === undefined) throw new Error(`the state of AdamW lacks exp_avg_sq/${name}`);
      this.moments[name] = { first: tf.keep(tf.clone(first)), second: tf.keep(tf.clone(second)) };
    }
  }

  close(): void {
    tf.dispose(this.moments);
    this.moments = {};
  }
}

/**
 * What gradients, sums of `divisor` of them, are to be multiplied by to become means whose joint L2 norm is at most `maxNorm`, as
 * torch.nn.utils.clip_grad_norm_ does; and the norm of the means before clipping. Two new scalars; the caller owns them.
 */
export function clipScale(grads: TensorRecord, maxNorm: number, divisor = 1): { scale: Scalar; norm: Scalar } {
  return tf.tidy(() => {
    const sum = tf.sqrt(tf.addN(Object.values(grads).map((grad) => tf.sum(tf.square(grad)))));
    const norm = tf.div(sum, divisor) as Scalar;
    const factor = tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);
    return { scale: tf.div(factor, divisor) as Scalar, norm };
  });
}

/** How the gradient moves an attack's delta. */
export type DeltaOptimizer = 'sign' | 'adam' | 'rms' | 'normalized';

/** What a delta optimizer remembers between iterations: Adam's and RMSprop's moments, and how many there were, which Adam asks. */
export interface DeltaState {
  step: number;
  first?: Tensor;
  second?: Tensor;
}

/** The state before the first step. The caller owns its tensors. */
export function deltaStart(optimizer: DeltaOptimizer, delta: Tensor): DeltaState {
  if (optimizer === 'adam') return { step: 0, first: tf.zerosLike(delta), second: tf.zerosLike(delta) };
  if (optimizer === 'rms') return { step: 0, second: tf.zerosLike(delta) };
  return { step: 0 };
}

/**
 * One descent step of delta [..., D] along `grad`. `stepSize` is the learning rate of torch.optim.Adam and torch.optim.RMSprop with their
 * other defaults, the length of each coordinate's step for `sign` (sign(0) = 0), the L2 length of each token's step for `normalized`.
 * Returns new tensors, which the caller owns; the given delta and state stay.
 */
export function deltaStep<T extends Tensor>(
  optimizer: DeltaOptimizer,
  delta: T,
  grad: T,
  stepSize: number,
  state: DeltaState,
): { delta: T; state: DeltaState } {
  return tf.tidy(() => {
    if (optimizer === 'sign')
      return { delta: tf.sub(delta, tf.mul(tf.sign(grad), stepSize)) as T, state: { step: state.step } };
    if (optimizer === 'normalized') {
      const lengths = tf.sqrt(tf.sum(tf.square(grad), -1, true));
      return {
        delta: tf.sub(delta, tf.mul(tf.div(grad, tf.maximum(lengths, 1e-12)), stepSize)) as T,
        state: { step: state.step },
      };
    }
    if (state.second === undefined) throw new Error(`the state of delta's optimizer is not one of ${optimizer}`);
    if (optimizer === 'rms') {
      const second = tf.add(tf.mul(state.second, 0.99), tf.mul(tf.square(grad), 0.01));
      const move = tf.mul(tf.div(grad, tf.add(tf.sqrt(second), 1e-8)), stepSize);
      return { delta: tf.sub(delta, move) as T, state: { ...state, second } };
    }
    if (state.first === undefined) throw new Error(`the state of delta's optimizer is not one of ${optimizer}`);
    const step = state.step + 1;
    const options = { learningRate: stepSize, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    const { first, second } = state;
    const next = adamUpdate({ parameter: delta, grad, first, second }, options, step);
    return { delta: next.parameter as T, state: { step, first: next.first, second: next.second } };
  });
}
