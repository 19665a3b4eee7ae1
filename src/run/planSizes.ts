import type { MicroBatch } from '../data/batches';
import { type BatchSize, BatchSizes, batchSize, type PairSize, pairSize } from '../data/batchSizes';
import type { Encoded } from '../data/encode';
import { dependsOnLength } from '../model/frequencies';
import type { DecoderConfig } from '../model/model';
import { compiles } from '../tensor/jit';
import type { AdversarialPair } from './setUp';

/** To what the batches of a training are padded. */
export interface PlanSizes {
  pairs: BatchSizes<PairSize>;
  utility: BatchSizes<BatchSize>;
}

/** Whether a prompt can be computed once for both its answers: then distances of tokens are not those of their places, which windows go by. */
export const sharesPrompts = ({ windowed }: DecoderConfig): boolean => !windowed.some((it) => it);

/**
 * The few sizes that all micro-batches of a plan are padded to where calls are compiled, since each shape is a function of its own;
 * undefined where nothing is compiled, or where padding would change the numbers.
 */
export function planSizes(
  config: DecoderConfig,
  plan: readonly MicroBatch[],
  adversarial: readonly AdversarialPair[],
  utility: readonly Encoded[],
): PlanSizes | undefined {
  if (!compiles() || !sharesPrompts(config) || dependsOnLength(config.rope)) return undefined;
  const pairs = plan.map((micro) => micro.adversarial.flatMap((row) => adversarial[row] ?? []));
  const chats = plan.map((micro) => micro.utility.flatMap((row) => utility[row] ?? []));
  const sized = <Row, Size>(batches: readonly (readonly Row[])[], sizeOf: (rows: readonly Row[]) => Size) =>
    batches.filter((rows) => rows.length > 0).map((rows) => ({ rows: rows.length, size: sizeOf(rows) }));
  return { pairs: new BatchSizes(sized(pairs, pairSize)), utility: new BatchSizes(sized(chats, batchSize)) };
}
