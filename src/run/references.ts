import * as tf from '@tensorflow/tfjs-core';
import { rowMeans } from '../attack/forward';
import { logProbsAt } from '../attack/logProbsAt';
import { chunks } from '../base/chunks';
import { makeBatch } from '../data/batch';
import { batchSize } from '../data/batchSizes';
import type { Encoded } from '../data/encode';
import { fewSizes } from '../data/fewSizes';
import { orderReferences, type Reference } from '../defense/reference';
import type { MicroSetup } from './microBatch';

const ROWS = 32;

async function meanLogProbs(
  { model }: MicroSetup,
  rows: readonly Encoded[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const result: number[] = [];
  const batches = chunks(rows, ROWS);
  const sizes = fewSizes(model.config, batches, batchSize);
  for (const own of batches) {
    const batch = makeBatch(own, 'all', sizes?.fitting(own.length, batchSize(own)));
    try {
      const logProbs = await logProbsAt({ model, weights: model.weights }, batch, undefined, signal);
      const means = rowMeans(batch, logProbs);
      result.push(...(await means.data()));
      tf.dispose([logProbs, means]);
    } finally {
      batch.close();
    }
  }
  return result;
}

/** CAPO's references of every adversarial row, once before the training: adapter off, clean prompts, no cutoffs. undefined where they are not needed. */
export async function cleanReferences(
  setup: MicroSetup,
  signal?: AbortSignal,
): Promise<readonly Reference[] | undefined> {
  const { method } = setup.resolved;
  if (method.name !== 'capo' || method.referencePrompts !== 'clean') return undefined;
  const harmful = await meanLogProbs(
    setup,
    setup.adversarial.map((pair) => pair.harmful),
    signal,
  );
  const safe = await meanLogProbs(
    setup,
    setup.adversarial.map((pair) => pair.safe),
    signal,
  );
  const references = harmful.map((value, i) => ({ harmful: value, safe: safe[i] as number }));
  return orderReferences(references, method.referenceOrder);
}
