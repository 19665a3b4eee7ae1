import type { Scalar, Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../base/random';
import { type Batch, partsOf } from '../data/batch';
import { jit } from '../tensor/jit';
import { tidied } from '../tensor/tidied';
import type { Attack, AttackStep } from './attack';
import type { Target } from './forward';
import { nextTurn } from './nextTurn';

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

/** One step, compiled where the engine can. What it depends on besides tensors: the attack, its options, and the model it runs on. */
function step<Options, State>(
  attack: Attack<Options, State>,
  { model, ...target }: Target,
  batch: Batch,
  options: Options,
  state: State,
): AttackStep<State> {
  // Adam counts its steps in JavaScript, so that every step would be another function.
  if ((options as { optimizer?: unknown }).optimizer === 'adam')
    return attack.step({ ...target, model }, batch, options, state);
  const parts = partsOf(batch);
  // How many steps there will be is no step's business.
  const key = `attack ${attack.version} ${JSON.stringify({ ...options, iterations: 0 })}`;
  return jit(model.config, key, { target, parts, state }, (args) =>
    attack.step({ ...args.target, model }, { ...batch, ...args.parts }, options, args.state),
  );
}

/** Runs an attack for `iterations` steps and owns its memory. Other work of the process gets a turn between two steps. */
export async function runAttack<Options extends { iterations: number }, State>(
  attack: Attack<Options, State>,
  target: Target,
  batch: Batch,
  options: Options,
  random: Random,
): Promise<Attacked> {
  let state = tidied(() => attack.start(target, batch, options, random));
  let lossBefore: Scalar | undefined;
  for (let i = 0; i < options.iterations; i++) {
    const { state: next, loss } = tidied(() => step(attack, target, batch, options, state));
    release(state, next);
    state = next;
    if (lossBefore) loss.dispose();
    else lossBefore = loss;
    await nextTurn();
  }
  const delta = tf.tidy(() => tf.clone(attack.result(target, batch, options, state)));
  release(state, undefined);
  if (!lossBefore) throw new Error('an attack needs at least one iteration');
  const result = { delta, lossBefore };
  return { ...result, close: () => tf.dispose(result) };
}
