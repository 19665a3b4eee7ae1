import { readText } from '../base/files';
import { formatProblem } from '../base/problem';
import { resolveExperiment } from '../experiment/resolve';

/** Prints everything that is wrong in an experiment file; true when it can run. */
export function checkCommand({ file }: { file: string }): boolean {
  const { resolved, problems } = resolveExperiment(readText(file), file);
  for (const problem of problems)
    console.log(`${problem.severity === 'warning' ? 'warning: ' : ''}${formatProblem(problem)}`);
  if (!resolved) return false;
  const { name, method, evaluation } = resolved;
  const measured = Object.entries(evaluation).filter(
    ([, value]) => typeof value === 'object' && !Array.isArray(value),
  ).length;
  console.log(
    `${file}: ${problems.length === 0 ? 'no problems' : 'can run'}; experiment ${name}, method ${method.name}, ${measured} rates and ${evaluation.attacks.length} attacks to measure`,
  );
  return true;
}
