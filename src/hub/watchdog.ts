/** No byte for so long: the connection is as good as gone. */
const SILENCE = 60_000;

/** A signal that aborts when the given one does, or when nobody has touched it for a minute. */
export function watchdog(signal: AbortSignal | undefined): { signal: AbortSignal; touch(): void; end(): void } {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(new Error('the server was silent for a minute')), SILENCE);
  return {
    signal: signal ? AbortSignal.any([signal, silent.signal]) : silent.signal,
    touch: () => void timer.refresh(),
    end: () => clearTimeout(timer),
  };
}
