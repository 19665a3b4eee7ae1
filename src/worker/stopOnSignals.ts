import { Cancelled } from '../base/problem';

/** Whether the process has been asked to stop, by a signal or by an editor. */
export interface Stop {
  readonly signal: AbortSignal;
  request(): void;
  close(): void;
}

/**
 * The first SIGINT or SIGTERM asks for a stop; from then on the system's own handling is back, so that a second one ends the process at
 * once, even in the middle of a long computation. `onRequest` is called once.
 */
export function stopOnSignals(onRequest: () => void): Stop {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const request = () => {
    for (const signal of signals) process.off(signal, request);
    if (controller.signal.aborted) return;
    onRequest();
    controller.abort(new Cancelled());
  };
  for (const signal of signals) process.on(signal, request);
  return {
    signal: controller.signal,
    request,
    close: () => {
      for (const signal of signals) process.off(signal, request);
    },
  };
}
