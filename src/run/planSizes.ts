import type { MicroBatch } from '../data/batches';
import { type BatchSize, type BatchSizes, batchSize, type PairSize, pairSize } from '../data/batchSizes';
import type { Encoded } from '../data/encode';
import { fewSizes } from '../data/fewSizes';
import type { DecoderConfig } from '../model/model';
import type { AdversarialPair } from './setUp';

/** To what the batches of a training are padded. */
export interface PlanSizes {
  pairs: BatchSizes<PairSize>;
  utility: BatchSizes<BatchSize>;
}

/** Whether a prompt can be computed once for both its answers: then distances of tokens are not those of their places, which windows go by. */
export const sharesPrompts = ({ windowed }: DecoderConfig): boolean => !windowed.some((it) => it);

/** The sizes of all micro-batches of a plan; undefined where they are not padded. */
export function planSizes(
  config: DecoderConfig,
  plan: readonly MicroBatch[],
  adversarial: readonly AdversarialPair[],
  utility: readonly Encoded[],
): PlanSizes | undefined {
  if (!sharesPrompts(config)) return undefined;
  const pairs = plan.map((micro) => micro.adversarial.flatMap((row) => adversarial[row] ?? []));
  const chats = plan.map((micro) => micro.utility.flatMap((row) => utility[row] ?? []));
  const sizes = { pairs: fewSizes(config, pairs, pairSize), utility: fewSizes(config, chats, batchSize) };
  return sizes.pairs && sizes.utility && { pairs: sizes.pairs, utility: sizes.utility };
}
