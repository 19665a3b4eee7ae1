import { type Context, createContext, Script } from 'node:vm';

/** What ran took longer than it was given, twice. */
export class TimeLimit extends Error {
  constructor(readonly milliseconds: number) {
    super(`took longer than ${(milliseconds / 1000).toFixed(1)} s`);
    this.name = 'TimeLimit';
  }
}

const call = new Script('run()');
let context: Context | undefined;
let inside = false;

/**
 * Runs what strangers' files can make endless: a template's loops, a tokenizer's regular expressions. node:vm's watchdog ends whatever
 * synchronous JavaScript is on the stack, this file's and a library's too; a call costs 0.1 ms. `run` is called once more when it was
 * ended, because a process that was halted (SIGSTOP, a debugger) loses its time without having used it. Within another call it just runs.
 * @throws TimeLimit, and whatever `run` throws
 */
export function withinTime<T>(milliseconds: number, run: () => T): T {
  if (inside) return run();
  context ??= createContext(Object.create(null) as Context);
  const shared = context;
  // Reset out here: a watchdog ends functions without their finally blocks.
  inside = true;
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        let result: { value: T } | undefined;
        shared['run'] = () => {
          result = { value: run() };
        };
        call.runInContext(shared, { timeout: Math.ceil(milliseconds) });
        return (result as unknown as { value: T }).value;
      } catch (error) {
        if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
        if (attempt === 2) throw new TimeLimit(milliseconds);
      }
    }
  } finally {
    inside = false;
    shared['run'] = undefined;
  }
}

const TOGETHER = 64;
const TOGETHER_MILLISECONDS = 1500;

/**
 * rows.map(work) where each `work` is short, asks withinTime for it, and may be done again: many under one watchdog, whose start costs more
 * than they do. Rows that take longer together are done one by one, each within its own time.
 * @throws what `work` throws
 */
export function mapWithinTime<Row, Result>(rows: readonly Row[], work: (row: Row) => Result): Result[] {
  const results: Result[] = [];
  for (let from = 0; from < rows.length; from += TOGETHER) {
    const part = rows.slice(from, from + TOGETHER);
    results.push(...together(() => part.map(work)));
  }
  return results;
}

function together<T>(run: () => T): T {
  if (inside) return run();
  try {
    return withinTime(TOGETHER_MILLISECONDS, run);
  } catch (error) {
    if (error instanceof TimeLimit) return run();
    throw error;
  }
}
