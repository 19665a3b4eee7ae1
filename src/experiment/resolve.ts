import { basename, dirname, resolve } from 'node:path';
import { Problem, type ProblemData } from '../base/problem';
import { checkExperiment } from './check';
import { explain, type PlacedProblem } from './explain';
import { locate } from './locate';
import { type Parsed, type Path, parseExperiment } from './parse';
import { type CheckFiles, diskFiles } from './sampleRows';
import { type Experiment, experimentSchema, type Resolved } from './schema';
import { isTemplateFile } from './templateFile';

/** `first.sparring.yaml` -> `first`, as a folder's name. */
export function experimentName(file: string): string {
  const stem = basename(file).replace(/(\.sparring)?\.(ya?ml|json)$/i, '');
  return (
    stem
      .replace(/^[^A-Za-z0-9]+/, '')
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .slice(0, 64) || 'experiment'
  );
}

/** Every path in an experiment: where it stands, what it is, and how to replace it. */
export function filesOf(experiment: Experiment): { at: Path; path: string; set(path: string): void }[] {
  const found: { at: Path; path: string; set(path: string): void }[] = [];
  const add = (at: Path, holder: { file: string } | undefined): void => {
    if (holder)
      found.push({
        at: [...at, 'file'],
        path: holder.file,
        set: (path) => {
          holder.file = path;
        },
      });
  };
  add(['data', 'adversarial'], experiment.data.adversarial);
  add(['data', 'utility'], experiment.data.utility);
  experiment.evaluation.attacks.forEach((attack, i) => {
    add(['evaluation', 'attacks', i], attack);
  });
  for (const metric of ['leak', 'refusal', 'refusalHeldOut', 'refusalHarmless', 'utility', 'stillKnows'] as const)
    add(['evaluation', metric], experiment.evaluation[metric]);
  const { template } = experiment;
  if (template !== undefined && isTemplateFile(template))
    found.push({
      at: ['template'],
      path: template,
      set: (path) => {
        experiment.template = path;
      },
    });
  found.push({
    at: ['model'],
    path: experiment.model,
    set: (path) => {
      experiment.model = path;
    },
  });
  return found;
}

/** A problem at a path as one at a place of the text. */
export function placeProblem({ part, ...problem }: PlacedProblem, parsed: Parsed, file: string): ProblemData {
  return { ...problem, file, ...parsed.rangeOf(problem.at, part) };
}

const placeAll = (list: readonly PlacedProblem[], parsed: Parsed, file: string): ProblemData[] =>
  list
    .map((it) => placeProblem(it, parsed, file))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));

export interface Resolution {
  /** Absent when there is an error; warnings do not stand in the way. */
  resolved?: Resolved;
  problems: ProblemData[];
}

/**
 * An experiment file's text, checked whole: syntax, schema, then what a schema cannot say (files, columns, combinations). Never throws for what a
 * user can mend; every problem has its place in the text. `files` is where model and data are looked for: the disk, unless told otherwise.
 */
export function resolveExperiment(text: string, file: string, files: CheckFiles = diskFiles): Resolution {
  const absolute = resolve(file);
  const parsed = parseExperiment(text, absolute);
  if (parsed.problems.length > 0) return { problems: parsed.problems };
  const checked = experimentSchema.safeParse(parsed.value ?? undefined);
  if (!checked.success) return { problems: placeAll(explain(checked.error.issues, parsed.value), parsed, absolute) };
  const experiment = checked.data;
  const resolved: Resolved = { ...experiment, name: experiment.name ?? experimentName(absolute), file: absolute };
  const found: PlacedProblem[] = [];
  const unknown = new Set<string>();
  for (const { at, path, set } of filesOf(resolved)) {
    try {
      set(locate(path, dirname(absolute)));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { code, message, severity, fix } = error.data;
      found.push({ code, message, severity, fix, at, part: 'value' });
      unknown.add(at.join('.'));
    }
  }
  found.push(...checkExperiment(resolved, parsed.value, files).filter((it) => !unknown.has(it.at.join('.'))));
  const problems = placeAll(found, parsed, absolute);
  return problems.some((it) => it.severity === 'error') ? { problems } : { resolved, problems };
}
