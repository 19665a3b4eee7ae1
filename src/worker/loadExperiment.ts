import { readText } from '../base/files';
import { formatProblem, Problems } from '../base/problem';
import { resolveExperiment } from '../experiment/resolve';
import type { Resolved } from '../experiment/schema';

/** Reads and checks an experiment file. Warnings go to stderr; errors are thrown all at once as Problems. */
export function loadExperiment(file: string): Resolved {
  const { resolved, problems } = resolveExperiment(readText(file), file);
  if (!resolved) throw new Problems(problems);
  for (const problem of problems) console.error(`warning: ${formatProblem(problem)}`);
  return resolved;
}
