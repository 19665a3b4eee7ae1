import { Random, uniform32 } from '../base/random';
import type { TrainingOptions } from '../experiment/schema';

/** Row numbers of one micro-batch. */
export interface MicroBatch {
  adversarial: readonly number[];
  utility: readonly number[];
}

export interface PlanOptions {
  seed: number;
  steps: number;
  accumulation: number;
  rows: number;
  /** Probability that a row is adversarial. */
  share: number;
  mix: 'random' | 'fixed';
  adversarialRows: number;
  utilityRows: number;
}

/** The share that holds: 1 where utility rows do not exist or count nothing. */
export const effectiveShare = (share: number, utilityRows: number, utilityWeight: number): number =>
  utilityRows === 0 || utilityWeight === 0 ? 1 : share;

/** Adversarial rows of a micro-batch with a fixed mix. */
const fixedRows = (rows: number, share: number): number => Math.round(rows * share);

/** Optimizer steps of a training: as asked for, or so many that the adversarial rows (the utility rows, where there is no share of them) are seen `epochs` times. */
export function countSteps(
  training: TrainingOptions,
  share: number,
  adversarialRows: number,
  utilityRows: number,
): number {
  if (training.steps !== undefined) return training.steps;
  const expected = training.mix === 'fixed' ? fixedRows(training.rows, share) : training.rows * share;
  const perStep = training.accumulation * (expected > 0 ? expected : training.rows);
  return Math.max(1, Math.ceil((training.epochs * (expected > 0 ? adversarialRows : utilityRows)) / perStep));
}

/** Row k of an endless series of epochs, each a fresh shuffle of 0 .. n - 1. */
function epochs(seed: number, stream: string, n: number): (k: number) => number {
  let epoch = -1;
  let order: readonly number[] = [];
  return (k) => {
    const wanted = Math.floor(k / n);
    if (wanted !== epoch) {
      epoch = wanted;
      order = new Random(seed, `${stream} ${epoch}`).shuffle(Array.from({ length: n }, (_, i) => i));
    }
    return order[k % n] as number;
  };
}

/**
 * Every micro-batch of a training, step after step: plan[step * accumulation + i], step from 0. A pure function of its options, so a
 * resumed run needs to know nothing but its step. `random` draws each row's kind on its own, as the released code of arXiv 2405.15589
 * does by interleaving two data sets with probabilities.
 */
export function planBatches(options: PlanOptions): MicroBatch[] {
  const adversarialRow = epochs(options.seed, 'adversarial rows', options.adversarialRows);
  const utilityRow = epochs(options.seed, 'utility rows', options.utilityRows);
  let adversarialSeen = 0;
  let utilitySeen = 0;
  return Array.from({ length: options.steps * options.accumulation }, (_, index) => {
    const adversarial: number[] = [];
    const utility: number[] = [];
    for (let i = 0; i < options.rows; i++) {
      const isAdversarial =
        options.mix === 'fixed'
          ? i < fixedRows(options.rows, options.share)
          : uniform32(options.seed, 'mix', index * options.rows + i) < options.share;
      if (isAdversarial) adversarial.push(adversarialRow(adversarialSeen++));
      else utility.push(utilityRow(utilitySeen++));
    }
    return { adversarial, utility };
  });
}
