import { Problem } from '../base/problem';
import type { EvaluationOptions } from '../experiment/schema';
import { RATE_METRICS } from '../records/record';
import { attackUnit } from './attackUnit';
import { rateUnit } from './rateUnit';
import type { Unit } from './unit';

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
