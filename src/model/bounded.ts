import { createContext, Script } from 'node:vm';

const run = new Script('work()');
const context = createContext(Object.create(null) as { work?: () => unknown });

/** Thrown by bounded. */
export class TookTooLong extends Error {}

/**
 * Does synchronous work that an untrusted file decides about, within a time: loops, recursion and backtracking patterns are cut off
 * wherever they are, since the limit ends whatever JavaScript runs. Not a sandbox: `work` is our own code.
 * @throws TookTooLong, and what `work` throws
 */
export function bounded<T>(milliseconds: number, work: () => T): T {
  const outer = context.work;
  context.work = work;
  try {
    return run.runInContext(context, { timeout: milliseconds }) as T;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TookTooLong(`took longer than ${milliseconds / 1000} s`);
    throw error;
  } finally {
    context.work = outer;
  }
}
