import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled, Problem } from '../base/problem';

/** Seconds between two tries. */
const WAITS = [1, 2, 4, 8];

/**
 * Tries work that the network may break, a few times. `progress`: tells a mark that grows while there is headway; with headway the
 * count of tries begins anew.
 * @throws Problem as `work` throws it; `network` when every try failed; Cancelled
 */
export async function withRetries<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  progress: () => number = () => 0,
  waits: readonly number[] = WAITS,
): Promise<T> {
  let tries = 0;
  for (;;) {
    const before = progress();
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted) throw new Cancelled();
      if (error instanceof Problem || error instanceof Cancelled) throw error;
      const code = (error as { code?: unknown } | null)?.code;
      if (code === 'ENOSPC')
        throw new Problem('network', 'the disk is full; what was downloaded is kept, make room and try again.');
      if (typeof code === 'string' && /^E(ACCES|PERM|ROFS)$/.test(code)) throw error;
      if (progress() > before) tries = 0;
      const wait = waits[tries++];
      if (wait === undefined)
        throw new Problem(
          'network',
          `the download failed (${reason(error)}); check the connection and try again: it goes on where it stopped.`,
        );
      await sleep(wait * 1000, undefined, { signal }).catch(() => {
        throw new Cancelled();
      });
    }
  }
}

function reason(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  const inner = cause instanceof Error ? ('code' in cause && String(cause.code)) || cause.message : undefined;
  return inner ? `${message}: ${inner}` : message;
}
