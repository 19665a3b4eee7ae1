import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';
import type { Path } from './parse';

const isWritten = (value: unknown, path: Path): boolean =>
  path.reduce<unknown>(
    (it, part) =>
      typeof it === 'object' && it !== null ? (it as { [key: string | number]: unknown })[part] : undefined,
    value,
  ) !== undefined;

function checkShare({ experiment, written }: CheckContext): PlacedProblem[] {
  const { training, method, data } = experiment;
  const at: Path = ['training', 'adversarialShare'];
  const share = training.adversarialShare;
  const perBatch = training.mix === 'fixed' ? Math.round(training.rows * share) : training.rows * share;
  const problem = (
    severity: 'error' | 'warning',
    code: string,
    message: string,
    fix?: PlacedProblem['fix'],
    place = at,
  ): PlacedProblem => ({
    code,
    severity,
    at: place,
    part: 'value',
    message,
    fix,
  });
  if (method.utilityWeight > 0 && !data.utility)
    return [
      problem(
        'error',
        'utilityMissing',
        `The utility term of '${method.name}' has weight ${method.utilityWeight} but there are no utility rows: add data.utility, or set method.utilityWeight to 0.`,
        { kind: 'set', title: 'Set method.utilityWeight to 0', value: 0 },
        ['method', 'utilityWeight'],
      ),
    ];
  if (method.utilityWeight === 0) {
    if (!isWritten(written, at) || share === 1) return [];
    const why = data.utility ? 'method.utilityWeight is 0' : 'there are no utility rows';
    return [
      problem(
        'warning',
        'shareUnused',
        `All rows will be adversarial, because ${why}: remove training.adversarialShare or set it to 1.`,
        {
          kind: 'set',
          title: 'Change to 1',
          value: 1,
        },
      ),
    ];
  }
  if (perBatch === 0) {
    const how = share === 0 ? 'is 0' : `times ${training.rows} rows rounds to 0`;
    const least = Math.ceil(1e6 / training.rows) / 1e6;
    return [
      problem(
        'error',
        'noAdversarialRows',
        `training.adversarialShare ${how}, so nothing would be attacked or made safer: raise it to ${least} or more${share === 0 ? '' : ', or raise training.rows'}.`,
        { kind: 'set', title: `Change to ${least}`, value: least },
      ),
    ];
  }
  if (share === 1 || (training.mix === 'fixed' && perBatch === training.rows))
    return [
      problem(
        'warning',
        'noUtilityRows',
        'No utility row would ever be drawn, so data.utility and method.utilityWeight have no effect and the model may forget how to answer: lower training.adversarialShare, or remove data.utility and set method.utilityWeight to 0.',
      ),
    ];
  return [];
}

function checkEpsilons({ experiment }: CheckContext): PlacedProblem[] {
  return experiment.evaluation.attacks.flatMap((attack, i): PlacedProblem[] => {
    const list = Array.isArray(attack.epsilon) ? attack.epsilon : [attack.epsilon];
    const tidy = [...new Set(list)].sort((a, b) => a - b);
    const base = { at: ['evaluation', 'attacks', i, 'epsilon'], part: 'value' } as const;
    const name = `evaluation.attacks[${i}].epsilon`;
    const fix = { kind: 'set', title: `Change to [${tidy.join(', ')}]`, value: tidy } as const;
    if (tidy.length < list.length)
      return [
        {
          ...base,
          code: 'epsilonTwice',
          severity: 'error',
          message: `'${name}' names a radius twice: keep each once.`,
          fix,
        },
      ];
    if (tidy.some((it, k) => it !== list[k]))
      return [
        {
          ...base,
          code: 'epsilonOrder',
          severity: 'warning',
          message: `'${name}' is not sorted: tables and curves read best from small to large.`,
          fix,
        },
      ];
    return [];
  });
}

/** Attacks of the same name and radius would overwrite each other's rates. */
function checkAttackNames({ experiment }: CheckContext): PlacedProblem[] {
  const seen = new Map<string, number>();
  return experiment.evaluation.attacks.flatMap((attack, i): PlacedProblem[] => {
    const list = Array.isArray(attack.epsilon) ? attack.epsilon : [attack.epsilon];
    const first = list.map((it) => seen.get(`${attack.name}@${it}`)).find((it) => it !== undefined);
    for (const it of list) if (!seen.has(`${attack.name}@${it}`)) seen.set(`${attack.name}@${it}`, i);
    if (first === undefined) return [];
    return [
      {
        code: 'attackTwice',
        severity: 'error',
        at: ['evaluation', 'attacks', i, 'epsilon'],
        part: 'value',
        message: `evaluation.attacks[${first}] measures '${attack.name}' at one of these radii already, and results are kept by name and radius: give this one other radii, or remove one of the two.`,
      },
    ];
  });
}

function checkSchedule({ experiment, written }: CheckContext): PlacedProblem[] {
  const { training, evaluation } = experiment;
  const problems: PlacedProblem[] = [];
  const warn = (code: string, at: Path, message: string): void => {
    problems.push({ code, severity: 'warning', at, part: 'value', message });
  };
  if (training.steps !== undefined && isWritten(written, ['training', 'epochs']))
    warn('epochsUnused', ['training', 'epochs'], 'training.steps is given too and decides: remove one of the two.');
  if (training.steps !== undefined && training.warmupSteps >= training.steps)
    warn(
      'warmupLong',
      ['training', 'warmupSteps'],
      `The learning rate would rise during all ${training.steps} steps: make training.warmupSteps smaller.`,
    );
  if (evaluation.every > 0 && evaluation.attacks.length === 0)
    warn(
      'everyUnused',
      ['evaluation', 'every'],
      'There is no attack to measure during training: add one under evaluation.attacks, or set evaluation.every to 0.',
    );
  if (evaluation.every > 0 && training.steps !== undefined && evaluation.every >= training.steps)
    warn(
      'everyLate',
      ['evaluation', 'every'],
      `Nothing would be measured during the ${training.steps} steps: make evaluation.every smaller.`,
    );
  return problems;
}

/** Settings that are right alone but not together. */
export function checkTraining(context: CheckContext): PlacedProblem[] {
  return [checkShare, checkEpsilons, checkAttackNames, checkSchedule].flatMap((check) => check(context));
}
