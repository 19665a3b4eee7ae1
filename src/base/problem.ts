/** Where a problem stands: a path inside the experiment file, or a place in any text file (lines and columns from 1). */
export interface ProblemPlace {
  at?: readonly (string | number)[];
  file?: string;
  line?: number;
  column?: number;
  endLine?: number;
  endColumn?: number;
}

/** One obvious mend. `set` replaces the value at `at`; `rename` replaces the key at `at`; `remove` deletes it. */
export type Fix =
  | { kind: 'set'; title: string; value: unknown }
  | { kind: 'rename'; title: string; name: string }
  | { kind: 'remove'; title: string };

/** A problem as plain data, as records and messages carry it. */
export interface ProblemData extends ProblemPlace {
  code: string;
  message: string;
  severity: 'error' | 'warning';
  fix?: Fix;
}

/** A failure that the user can mend: what is wrong, where, and how to mend it. Never a bug of ours. */
export class Problem extends Error {
  readonly data: ProblemData;
  constructor(code: string, message: string, more: ProblemPlace & { fix?: Fix; severity?: 'error' | 'warning' } = {}) {
    super(message);
    this.name = 'Problem';
    this.data = { severity: 'error', ...more, code, message };
  }
}

/** Several problems found at once, e.g. everything that is wrong in an experiment file. */
export class Problems extends Error {
  constructor(readonly list: readonly ProblemData[]) {
    super(list.map(formatProblem).join('\n'));
    this.name = 'Problems';
  }
}

/** The user asked to stop: silent, nothing went wrong. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

/** `file:line:column: message (code)`, with the mend if there is one; what the command line prints. */
export function formatProblem(problem: ProblemData): string {
  const place = [problem.file, problem.line, problem.line === undefined ? undefined : problem.column]
    .filter((part) => part !== undefined)
    .join(':');
  const path = problem.at?.length ? ` at ${problem.at.join('.')}` : '';
  return `${place ? `${place}: ` : ''}${problem.message}${place ? '' : path} (${problem.code})`;
}

/** Anything thrown, as data: a Problem as it is, everything else as a bug. */
export function toProblemData(error: unknown): ProblemData {
  if (error instanceof Problem) return error.data;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'bug', severity: 'error', message };
}
