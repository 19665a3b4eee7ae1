import type { Scalar, Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../base/random';
import { type Batch, partsOf } from '../data/batch';
import { jitAside } from '../tensor/jit';
import { tidied } from '../tensor/tidied';
import type { Attack } from './attack';
import type { Target } from './forward';

/** What an attack has found. Whoever asked for it closes it. */
export interface Attacked {
  /** [B, T, D] */
  delta: Tensor3D;
  /** Token-mean cross-entropy of the targets at delta's start. */
  lossBefore: Scalar;
  close(): void;
}

/** A state is an object of numbers and tensors at any depth; this is what the driver knows of it. */
function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof tf.Tensor) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tensorsOf) : [];
}

/** Frees the tensors of `old` that `next` does not hold. */
function release(old: unknown, next: unknown): void {
  const kept = new Set(tensorsOf(next));
  for (const tensor of tensorsOf(old)) if (!kept.has(tensor)) tensor.dispose();
}

export interface AttackLinks {
  /** Aborted, it ends the attack on the way. */
  signal?: AbortSignal;
  /** After each iteration, how many are done. */
  onIteration?(done: number): void;
}

/**
 * A function of the attack, compiled where the engine can. What it depends on besides tensors: the attack, its options, and the model it
 * runs on.
 */
function compute<Options extends { iterations: number }, State, Result>(
  name: 'step' | 'result',
  work: (target: Target, batch: Batch, options: Options, state: State) => Result,
  { version }: Attack<Options, State>,
  [{ model, ...target }, batch, options, state]: [Target, Batch, Options, State],
  signal: AbortSignal | undefined,
): Promise<Result> {
  const args = { target, parts: partsOf(batch), state };
  // How many steps there will be is no step's business.
  const key = `attack ${version} ${name} ${JSON.stringify({ ...options, iterations: 0 })}`;
  const own = (given: typeof args) =>
    work({ ...given.target, model }, { ...batch, ...given.parts }, options, given.state);
  return jitAside(model.config, key, args, own, signal);
}

/**
 * Runs an attack for `iterations` steps and owns its memory. Other work of the process gets a turn between two steps.
 * @throws the signal's reason when it is aborted
 */
export async function runAttack<Options extends { iterations: number }, State>(
  attack: Attack<Options, State>,
  target: Target,
  batch: Batch,
  options: Options,
  random: Random,
  { signal, onIteration }: AttackLinks = {},
): Promise<Attacked> {
  let state = tidied(() => attack.start(target, batch, options, random));
  let lossBefore: Scalar | undefined;
  try {
    for (let i = 0; i < options.iterations; i++) {
      const { state: next, loss } = await compute('step', attack.step, attack, [target, batch, options, state], signal);
      release(state, next);
      state = next;
      if (lossBefore) loss.dispose();
      else lossBefore = loss;
      onIteration?.(i + 1);
    }
    if (!lossBefore) throw new Error('an attack needs at least one iteration');
    const found = await compute('result', attack.result, attack, [target, batch, options, state], signal);
    // It may be the state's own.
    const result = { delta: tf.clone(found), lossBefore };
    release(found, state);
    return { ...result, close: () => tf.dispose(result) };
  } catch (error) {
    lossBefore?.dispose();
    throw error;
  } finally {
    release(state, undefined);
  }
}
