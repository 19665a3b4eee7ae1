import type { EvaluationOptions } from '../experiment/schema';
import type { Model, Weights } from '../model/model';
import type { Phase, RunRecord } from '../records/record';
import type { Output } from './output';

/** Who is measured, when. `weights`: the model's own, or with the adapter merged in. */
export interface EvaluationContext {
  model: Model;
  weights: Weights;
  /** Mean L2 norm of the embedding table's rows. */
  embeddingNorm: number;
  options: Pick<EvaluationOptions, 'batch' | 'maxNewTokens'>;
  system?: string;
  seed: number;
  phase: Phase;
  step: number;
  /** Aborted, it ends the measurement on the way: its reason is thrown. */
  signal?: AbortSignal;
}

/**
 * One thing that is measured whole or not at all: a rate, or an attack at one epsilon. It yields progress, then texts and samples, and as
 * its last output the one record that says it is done, so that a resumed run knows which units it need not measure again.
 */
export interface Unit {
  /** A RateMetric, or `attack@epsilon`. */
  metric: string;
  /** Rows that are judged. */
  total: number;
  run(context: EvaluationContext): AsyncGenerator<Output>;
}

/** The unit that a record completes, as `phase step metric`; undefined for records that complete none. */
export function completedUnit(record: RunRecord): string | undefined {
  if (record.kind === 'rate') return unitKey(record.phase, record.step, record.metric);
  if (record.kind === 'attack') return unitKey(record.phase, record.step, `${record.attack}@${record.epsilon}`);
  return undefined;
}

export const unitKey = (phase: Phase, step: number, metric: string): string => `${phase} ${step} ${metric}`;
