import type { Scalar, Tensor3D } from '@tensorflow/tfjs-core';
import type { Random } from '../base/random';
import type { Batch } from '../data/batch';
import type { Target } from './forward';

/** What a step leaves: the state after it, and the token-mean loss of the targets at the delta it began with, in nats. */
export interface AttackStep<State> {
  state: State;
  loss: Scalar;
}

/**
 * An attack is two functions over plain state, so that it can be stopped and resumed between any two steps. The caller owns time,
 * memory (each function is to be called in a tidy; a state is numbers and tensors) and records; the attack owns the mathematics.
 */
export interface Attack<Options, State> {
  /** Bumped when results change; stamped on every record. */
  readonly version: number;
  start(target: Target, batch: Batch, options: Options, random: Random): State;
  step(target: Target, batch: Batch, options: Options, state: State): AttackStep<State>;
  /** What the attack has found so far: [B, T, D], 0 on the tokens it may not move. */
  result(target: Target, batch: Batch, options: Options, state: State): Tensor3D;
}
