/**
 * Lets timers, signals and requests have their turn. The embedded engine computes synchronously and its promises resolve without a turn of
 * the event loop, so a long computation must give one by itself.
 */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
