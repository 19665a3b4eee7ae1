import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { CapoOptions } from '../experiment/schema';
import { type CatInput, crossEntropy } from './cat';

// CAPO, arXiv 2405.15589 eq. 5: identity preference optimisation (IPO) between safe and harmful answers on attacked prompts.
// Comparisons are written with greaterEqual: of the four, TensorFlow.js differentiates (as a constant) only that one.

export interface CapoInput {
  /** Absent where the micro-batch has no adversarial row. B rows; log p of the harmful answers' tokens [N], of the safe ones' [M]. */
  pairs?: {
    harmful: Tensor1D;
    safe: Tensor1D;
    /** [B, N] and [B, M], 1 / (tokens of the row) at its own tokens: Batch.rowMean. */
    harmfulMean: Tensor2D;
    safeMean: Tensor2D;
    /** [B]: mean log p under the model without adapter. */
    harmfulReference: Tensor1D;
    safeReference: Tensor1D;
  };
  /** Chat answers after clean prompts, [K]. */
  utility?: Tensor1D;
  /** As CAT's. */
  weights?: CatInput['weights'];
}

/** Scalars. `margin`: mean of h; `rawAway` and `rawToward`: token-mean cross-entropies without cutoffs. */
export interface CapoLoss {
  total: Scalar;
  ipo?: Scalar;
  margin?: Scalar;
  utility?: Scalar;
  rawAway?: Scalar;
  rawToward?: Scalar;
}

export type CapoLossOptions = Pick<CapoOptions, 'beta' | 'awayCutoff' | 'towardCutoff' | 'outside' | 'utilityWeight'>;

/** Harmful tokens below the cutoff count as 0 (`zero`: the released code) or as the cutoff (`clamp`). No gradient flows out of either. */
export function cutHarmful(logProbs: Tensor1D, cutoff: number, outside: 'zero' | 'clamp'): Tensor1D {
  const instead = tf.fill(logProbs.shape, outside === 'zero' ? 0 : cutoff);
  return tf.where(tf.greaterEqual(logProbs, cutoff), logProbs, instead) as Tensor1D;
}

/** Safe tokens above -cutoff count as 0 or as -cutoff; a cutoff of 0 leaves all as they are. */
export function cutSafe(logProbs: Tensor1D, cutoff: number, outside: 'zero' | 'clamp'): Tensor1D {
  const instead = tf.fill(logProbs.shape, outside === 'zero' ? 0 : -cutoff);
  return tf.where(tf.greaterEqual(-cutoff, logProbs), logProbs, instead) as Tensor1D;
}

const rowMean = (mean: Tensor2D, values: Tensor1D): Tensor1D =>
  tf.reshape(tf.matMul(mean, tf.reshape(values, [-1, 1]) as Tensor2D), [mean.shape[0]]) as Tensor1D;

/** loss = mean over rows of (h - 1 / (2 beta))^2, h = (lp_safe - lp_harm) - (ref_safe - ref_harm), lp over all target tokens of the row. */
export function capoLoss(input: CapoInput, options: CapoLossOptions): CapoLoss {
  const result: Omit<CapoLoss, 'total'> = {};
  const terms: Scalar[] = [];
  if (input.pairs) {
    const { harmful, safe, harmfulMean, safeMean, harmfulReference, safeReference } = input.pairs;
    const harm = rowMean(harmfulMean, cutHarmful(harmful, options.awayCutoff, options.outside));
    const good = rowMean(safeMean, cutSafe(safe, options.towardCutoff, options.outside));
    const h = tf.sub(tf.sub(good, harm), tf.sub(safeReference, harmfulReference));
    result.ipo = tf.mean(tf.square(tf.sub(h, 1 / (2 * options.beta)))) as Scalar;
    result.margin = tf.mean(h) as Scalar;
    result.rawAway = crossEntropy(harmful, input.weights?.away);
    result.rawToward = crossEntropy(safe, input.weights?.toward);
    terms.push(result.ipo);
  }
  if (input.utility) {
    result.utility = crossEntropy(input.utility, input.weights?.utility);
    terms.push(tf.mul(options.utilityWeight, result.utility));
  }
  return { ...result, total: tf.addN(terms) };
}
