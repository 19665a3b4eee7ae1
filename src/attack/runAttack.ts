import type { Scalar, Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../base/random';
import { type Batch, partsOf } from '../data/batch';
import { jitAside } from '../tensor/jit';
import { tidied } from '../tensor/tidied';
import type { Attack, AttackStep } from './attack';
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

/** One step, compiled where the engine can. What it depends on besides tensors: the attack, its options, and the model it runs on. */
function step<Options, State>(
  attack: Attack<Options, State>,
  { model, ...target }: Target,
  batch: Batch,
  options: Options,
  state: State,
  signal: AbortSignal | undefined,
): Promise<AttackStep<State>> {
  const parts = partsOf(batch);
  // How many steps there will be is no step's business.
  const key = `attack ${attack.version} ${JSON.stringify({ ...options, iterations: 0 })}`;
  return jitAside(
    model.config,
    key,
    { target, parts, state },
    (args) => attack.step({ ...args.target, model }, { ...batch, ...args.parts }, options, args.state),
    signal,
  );
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
      const { state: next, loss } = await step(attack, target, batch, options, state, signal);
      release(state, next);
      state = next;
      if (lossBefore) loss.dispose();
      else lossBefore = loss;
      onIteration?.(i + 1);
    }
    if (!lossBefore) throw new Error('an attack needs at least one iteration');
    const result = { delta: tf.tidy(() => tf.clone(attack.result(target, batch, options, state))), lossBefore };
    return { ...result, close: () => tf.dispose(result) };
  } catch (error) {
    lossBefore?.dispose();
    throw error;
  } finally {
    release(state, undefined);
  }
}
