import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { fusedAdamW, hasFused } from './fused';
import { freeCompiled, jit, runsSideBySide } from './jit';
import { tidied } from './tidied';

export type TensorRecord = { [name: string]: Tensor };

export interface AdamWOptions {
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Decoupled: a parameter shrinks by learningRate * weightDecay before its step. */
  weightDecay?: number;
}

/** A parameter, its gradient and Adam's moments of it. */
interface AdamInput {
  parameter: Tensor;
  grad: Tensor;
  first: Tensor;
  second: Tensor;
}

type AdamResult = Omit<AdamInput, 'grad'>;

/** What an update multiplies by in its step, besides the betas: 1 - beta^step of both, and what is kept of the parameter. */
interface AdamNumbers<Value> {
  root: Value;
  rate: Value;
  keep: number;
}

function adamNumbers(
  { learningRate, beta1, beta2, weightDecay }: Required<AdamWOptions>,
  step: number,
): AdamNumbers<number> {
  return {
    root: Math.sqrt(1 - beta2 ** step),
    rate: -learningRate / (1 - beta1 ** step),
    keep: 1 - learningRate * weightDecay,
  };
}

/** One bias-corrected Adam update in the order of PyTorch's arithmetic. All new tensors; the caller owns them. */
function adamUpdate(
  { parameter, grad, first: oldFirst, second: oldSecond }: AdamInput,
  { beta1, beta2, epsilon }: Pick<Required<AdamWOptions>, 'beta1' | 'beta2' | 'epsilon'>,
  { root, rate, keep }: AdamNumbers<number | Scalar>,
): AdamResult {
  return tf.tidy(() => {
    const first = tf.add(oldFirst, tf.mul(1 - beta1, tf.sub(grad, oldFirst)));
    const second = tf.add(tf.mul(oldSecond, beta2), tf.mul(tf.square(grad), 1 - beta2));
    const denominator = tf.add(tf.div(tf.sqrt(second), root), epsilon);
    const move = tf.mul(tf.div(first, denominator), rate);
    const kept = keep === 1 ? parameter : tf.mul(parameter, keep);
    return { parameter: tf.add(kept, move), first, second };
  });
}

/** The same by one op for each parameter; all of them, the norm included, compiled. Numbers that change with the step are a tensor's. */
function fusedUpdates(
  owner: object,
  given: { [name: string]: AdamInput },
  clip: Clip | undefined,
  options: Required<AdamWOptions>,
  step: number,
): { next: { [name: string]: AdamResult }; norm?: Scalar } {
  const { beta1, beta2, epsilon } = options;
  const { root, rate, keep } = adamNumbers(options, step);
  const numbers = tf.tensor1d([beta1, beta2, epsilon, keep, root, rate]);
  const result = jit(owner, `update ${JSON.stringify(clip)}`, { given, numbers }, (args) => {
    runsSideBySide();
    const grads = Object.fromEntries(Object.entries(args.given).map(([name, { grad }]) => [name, grad]));
    const { scale, norm } = clip ? clipScale(grads, clip) : { scale: tf.scalar(1), norm: undefined };
    const all = tf.concat([tf.reshape(scale, [1]), args.numbers]) as Tensor1D;
    const next = Object.fromEntries(
      Object.entries(args.given).map(([name, one]) => [name, fusedAdamW({ ...one, numbers: all })]),
    );
    return { next, norm };
  });
  numbers.dispose();
  return result;
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
   * New parameters, and with `clip` the norm before clipping, which the caller owns; the given ones stay. Throws when a parameter has no
   * gradient.
   */
  step(
    parameters: TensorRecord,
    grads: TensorRecord,
    learningRate = this.options.learningRate,
    clip?: Clip,
  ): { parameters: TensorRecord; norm?: Scalar } {
    const given: { [name: string]: AdamInput } = {};
    for (const [name, parameter] of Object.entries(parameters)) {
      const grad = grads[name];
      if (grad === undefined) throw new Error(`AdamW was given no gradient of ${name}`);
      const old = this.moments[name] ?? { first: tf.zerosLike(parameter), second: tf.zerosLike(parameter) };
      given[name] = { parameter, grad, ...old };
    }
    this.steps++;
    const options = { ...this.options, learningRate };
    const { next, norm } = tidied(() =>
      hasFused()
        ? fusedUpdates(this, given, clip, options, this.steps)
        : plainUpdates(given, clip, options, this.steps),
    );
    for (const { first, second } of Object.values(given)) tf.dispose([first, second]);
    const result: TensorRecord = {};
    for (const [name, { parameter, first, second }] of Object.entries(next)) {
      this.moments[name] = { first: tf.keep(first), second: tf.keep(second) };
      result[name] = parameter;
    }
    return { parameters: result, ...(norm && { norm }) };
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
    freeCompiled(this);
  }
}

function plainUpdates(
  given: { [name: string]: AdamInput },
  clip: Clip | undefined,
  options: Required<AdamWOptions>,
  step: number,
): ReturnType<typeof fusedUpdates> {
  const grads = Object.fromEntries(Object.entries(given).map(([name, { grad }]) => [name, grad]));
  const clipped = clip && clipScale(grads, clip);
  const numbers = adamNumbers(options, step);
  const next = Object.fromEntries(
    Object.entries(given).map(([name, one]) => {
      const grad = clipped ? tf.mul(one.grad, clipped.scale) : one.grad;
      const update = adamUpdate({ ...one, grad }, options, numbers);
      if (clipped) grad.dispose();
      return [name, update];
    }),
  );
  return { next, norm: clipped?.norm };
}

/** Gradients are sums of `divisor` of them, 1 by default; the joint L2 norm of their means is to be at most `maxNorm`. */
export interface Clip {
  maxNorm: number;
  divisor?: number;
}

/**
 * What gradients are to be multiplied by to become such means, as torch.nn.utils.clip_grad_norm_ does; and the norm of the means before
 * clipping. Two new scalars; the caller owns them.
 */
export function clipScale(grads: TensorRecord, { maxNorm, divisor = 1 }: Clip): { scale: Scalar; norm: Scalar } {
  return tf.tidy(() => {
    const sum = tf.sqrt(tf.addN(Object.values(grads).map((grad) => tf.sum(tf.square(grad)))));
    const norm = tf.div(sum, divisor) as Scalar;
    const factor = tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);
    return { scale: tf.div(factor, divisor) as Scalar, norm };
  });
}

/** How the gradient moves an attack's delta. */
export type DeltaOptimizer = 'sign' | 'adam' | 'rms' | 'normalized';

/** What a delta optimizer remembers between iterations: Adam's and RMSprop's moments, and Adam's 1 - beta^t of both after t of them. */
export interface DeltaState {
  first?: Tensor;
  second?: Tensor;
  corrections?: { first: Scalar; second: Scalar };
}

/** Of torch.optim.Adam. */
const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** The state before the first step. The caller owns its tensors. */
export function deltaStart(optimizer: DeltaOptimizer, delta: Tensor): DeltaState {
  if (optimizer === 'rms') return { second: tf.zerosLike(delta) };
  if (optimizer !== 'adam') return {};
  const corrections = { first: tf.scalar(0), second: tf.scalar(0) };
  return { first: tf.zerosLike(delta), second: tf.zerosLike(delta), corrections };
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
    if (optimizer === 'sign') return { delta: tf.sub(delta, tf.mul(tf.sign(grad), stepSize)) as T, state: {} };
    if (optimizer === 'normalized') {
      const lengths = tf.sqrt(tf.sum(tf.square(grad), -1, true));
      return { delta: tf.sub(delta, tf.mul(tf.div(grad, tf.maximum(lengths, 1e-12)), stepSize)) as T, state: {} };
    }
    if (state.second === undefined) throw new Error(`the state of delta's optimizer is not one of ${optimizer}`);
    if (optimizer === 'rms') {
      const second = tf.add(tf.mul(state.second, 0.99), tf.mul(tf.square(grad), 0.01));
      const move = tf.mul(tf.div(grad, tf.add(tf.sqrt(second), 1e-8)), stepSize);
      return { delta: tf.sub(delta, move) as T, state: { second } };
    }
    const { first, second } = state;
    if (!first || !state.corrections) throw new Error(`the state of delta's optimizer is not one of ${optimizer}`);
    // 1 - beta^t = beta (1 - beta^(t-1)) + 1 - beta: numbers of the compiled step, which is then the same for every t.
    const corrections = {
      first: tf.add(tf.mul(state.corrections.first, ADAM.beta1), 1 - ADAM.beta1) as Scalar,
      second: tf.add(tf.mul(state.corrections.second, ADAM.beta2), 1 - ADAM.beta2) as Scalar,
    };
    const numbers = {
      root: tf.sqrt(corrections.second) as Scalar,
      rate: tf.div(-stepSize, corrections.first) as Scalar,
      keep: 1,
    };
    const next = adamUpdate({ parameter: delta, grad, first, second }, ADAM, numbers);
    return { delta: next.parameter as T, state: { first: next.first, second: next.second, corrections } };
  });
}
