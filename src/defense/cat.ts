import type { Scalar, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { CatOptions } from '../experiment/schema';
import { tokenMean } from '../tensor/losses';

// CAT, arXiv 2405.15589 eq. 4: toward the safe answer and away from the harmful one on attacked prompts, and utility on clean chats.

/** Log-probabilities of the target tokens; a group without rows in the micro-batch is absent. */
export interface CatInput {
  /** Harmful answers after attacked prompts, [N]. */
  away?: Tensor1D;
  /** Safe answers after the same attacked prompts, [M]. */
  toward?: Tensor1D;
  /** Chat answers after clean prompts, [K]. */
  utility?: Tensor1D;
  /** What a mean multiplies each token of a group by, where some are padding: Batch.weights. */
  weights?: { readonly [group in 'away' | 'toward' | 'utility']?: Tensor1D };
}

/** Scalars. `away` and `toward` after their cutoffs, unweighted; `raw...` before them: what the row's loss really is. */
export interface CatLoss {
  total: Scalar;
  away?: Scalar;
  toward?: Scalar;
  utility?: Scalar;
  rawAway?: Scalar;
  rawToward?: Scalar;
}

export type CatLossOptions = Omit<CatOptions, 'name'>;

const SLOPE = 0.001; // of a flattened term, in the released code and in the paper alike

/** Token-mean cross-entropy. log p [N] -> scalar */
export const crossEntropy = (logProbs: Tensor1D, weights?: Tensor1D): Scalar =>
  tf.neg(tokenMean(logProbs, weights)) as Scalar;

/**
 * loss while it is >= cutoff; below, flattened: `code` jumps to c + 0.001 L, `paper` goes on from 0.999 c + 0.001 L. A gradient
 * flows through the branch that holds.
 */
export function flattenBelow(loss: Scalar, cutoff: number, form: 'code' | 'paper'): Scalar {
  const offset = form === 'code' ? cutoff : (1 - SLOPE) * cutoff;
  return tf.where(tf.greaterEqual(loss, cutoff), loss, tf.add(offset, tf.mul(SLOPE, loss))) as Scalar;
}

/** mean of -log(1 - p): how sure the model is of the harmful tokens, pushed down. log p [N] -> scalar */
export function negativeLog1MinusP(logProbs: Tensor1D, weights?: Tensor1D): Scalar {
  // 1 - p underflows to 0 for a certain token; the bound keeps value and gradient finite in float32.
  const bounded = tf.minimum(logProbs, -1e-6);
  return tf.neg(tokenMean(tf.log(tf.neg(tf.expm1(bounded))) as Tensor1D, weights)) as Scalar;
}

/** loss = towardWeight T + awayWeight A + utilityWeight U, each token-mean over its group. */
export function catLoss(input: CatInput, options: CatLossOptions): CatLoss {
  const result: Omit<CatLoss, 'total'> = {};
  const weights = input.weights ?? {};
  const terms: Scalar[] = [];
  if (input.away) {
    result.rawAway = crossEntropy(input.away, weights.away);
    const away =
      options.awayLoss === 'log1MinusP'
        ? negativeLog1MinusP(input.away, weights.away)
        : (tf.neg(result.rawAway) as Scalar);
    result.away = flattenBelow(away, options.awayCutoff, options.cutoffForm);
    terms.push(tf.mul(options.awayWeight, result.away));
  }
  if (input.toward) {
    result.rawToward = crossEntropy(input.toward, weights.toward);
    result.toward = flattenBelow(result.rawToward, options.towardCutoff, options.cutoffForm);
    terms.push(tf.mul(options.towardWeight, result.toward));
  }
  if (input.utility) {
    result.utility = crossEntropy(input.utility, weights.utility);
    terms.push(tf.mul(options.utilityWeight, result.utility));
  }
  return { ...result, total: tf.addN(terms) };
}
