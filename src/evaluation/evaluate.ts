import { Problem } from '../base/problem';
import type { EvaluationOptions } from '../experiment/schema';
import type { Model, Weights } from '../model/model';
import { type Phase, RATE_METRICS, type RunRecord } from '../records/record';
import { attackUnit } from './attackUnit';
import type { Output } from './output';
import { rateUnit } from './rateUnit';

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

/** All that is measured before and after the training, attacks last. Reads the rows: a Problem for a missing file or column. */
export function evaluationUnits(options: EvaluationOptions): Unit[] {
  const rates = RATE_METRICS.flatMap((metric) => {
    const data = options[metric];
    return data ? [rateUnit(metric, data)] : [];
  });
  const attacks = options.attacks.flatMap((attack) =>
    [attack.epsilon].flat().map((epsilon) => attackUnit(attack, epsilon)),
  );
  const units = [...rates, ...attacks];
  const twice = units.find((unit, i) => units.findIndex((other) => other.metric === unit.metric) < i);
  if (twice)
    throw new Problem(
      'measuredTwice',
      `${twice.metric} is measured twice; give each attack of a name its own epsilons.`,
      {
        at: ['evaluation', 'attacks'],
      },
    );
  return units;
}

/** What is measured again and again during the training: the first attack at its largest epsilon, on a few rows. */
export function duringUnit(options: EvaluationOptions): Unit | undefined {
  const [attack] = options.attacks;
  if (!attack || options.every === 0) return undefined;
  return attackUnit(attack, Math.max(...[attack.epsilon].flat()), options.duringRows);
}

/** The unit that a record completes, as `phase step metric`; undefined for records that complete none. */
export function completedUnit(record: RunRecord): string | undefined {
  if (record.kind === 'rate') return unitKey(record.phase, record.step, record.metric);
  if (record.kind === 'attack') return unitKey(record.phase, record.step, `${record.attack}@${record.epsilon}`);
  return undefined;
}

export const unitKey = (phase: Phase, step: number, metric: string): string => `${phase} ${step} ${metric}`;
