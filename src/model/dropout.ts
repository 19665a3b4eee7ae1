import * as tf from '@tensorflow/tfjs-core';
import { fusedDropout, hasFused } from '../tensor/fused';

/** What a training pass drops on the way into its adapter. Passes with the same key drop the same numbers. */
export interface Dropout {
  /** Share of the numbers that is dropped. */
  rate: number;
  /** A whole number of 32 bits, of dropoutKey. */
  key: number;
  /** [1] int32: the key as the argument of a compiled function. */
  keyTensor?: tf.Tensor1D;
  /** Of a part of a pass's rows: the place of the first. */
  first?: number;
}

/** A mixing of 32 bits: two multiplications between three shifts. */
function mix(bits: number): number {
  let h = bits ^ (bits >>> 16);
  h = Math.imul(h, 0x21f0aaad);
  h ^= h >>> 15;
  h = Math.imul(h, 0x735a2d97);
  return h ^ (h >>> 15);
}

/** The key of a pass: `counter` counts the passes of a run. */
export const dropoutKey = (seed: number, counter: number): number => mix(mix(seed | 0) ^ mix(counter + 0x632be5ab)) | 0;

/** A module's number of 31 bits (FNV-1a of its path). */
export function moduleNumber(module: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < module.length; i++) hash = Math.imul(hash ^ module.charCodeAt(i), 0x01000193);
  return hash >>> 1;
}

/**
 * 0 where a number is dropped, 1 / (1 - rate) where it stays. Follows from each number's place, the module and the key alone, so that a
 * resumed run drops the same numbers; the same on every engine (native/src/fused/dropout.cc).
 */
export function dropoutMask(
  shape: readonly [number, number],
  module: string,
  { rate, key, first = 0 }: Dropout,
): tf.Tensor2D {
  const number = moduleNumber(module);
  const limit = Math.floor(Math.fround(rate) * 16777216 + 0.5);
  const kept = 1 / (1 - rate);
  const values = new Float32Array(shape[0] * shape[1]);
  const start = first * shape[1] + key;
  for (let i = 0; i < values.length; i++) values[i] = mix(mix(i + start) ^ number) >>> 8 >= limit ? kept : 0;
  return tf.tensor2d(values, [...shape]);
}

/** x without what is dropped. */
export function dropped(x: tf.Tensor2D, module: string, dropout: Dropout): tf.Tensor2D {
  if (dropout.rate === 0) return x;
  if (!hasFused()) return tf.mul(x, dropoutMask(x.shape, module, dropout));
  const key = dropout.keyTensor ?? tf.tensor1d([dropout.key], 'int32');
  const before = (dropout.first ?? 0) * x.shape[1];
  return fusedDropout(x, key, { module: moduleNumber(module), before, rate: dropout.rate });
}
