import * as tf from '@tensorflow/tfjs-core';
import type { TensorRecord } from '../tensor/optimizer';
import { addGradients } from './differentiate';
import { freeResult, type MicroResult } from './microBatch';

/** A step's micro-batches, one after another: the sum of their gradients, and what else came of each. What fails on the way leaves no tensor. */
export async function accumulate(
  count: number,
  make: (index: number) => Promise<MicroResult>,
): Promise<{ sum: TensorRecord; results: MicroResult[] }> {
  const results: MicroResult[] = [];
  let sum: TensorRecord = {};
  try {
    for (let i = 0; i < count; i++) {
      const result = await make(i);
      results.push(result);
      sum = i > 0 ? addGradients(sum, result.gradients) : result.gradients;
    }
    return { sum, results };
  } catch (error) {
    tf.dispose(sum);
    results.forEach(freeResult);
    throw error;
  }
}
