import { RECORD_VERSION, type Summary } from './record';
import type { RunView } from './runView';

/** Working seconds of a run that says none: those of its steps. */
const stepSeconds = (view: RunView): number => view.history.reduce((sum, it) => sum + it.seconds, 0);

/** summary.json of a run; undefined for one that has not started. */
export function summarize(view: RunView): Summary | undefined {
  const { started, adapterSha256 } = view;
  if (!started) return undefined;
  const { runId, experiment, method, model, seed, steps, hashes } = started;
  return {
    v: RECORD_VERSION,
    runId,
    experiment,
    method,
    model,
    engine: view.engine,
    device: view.device,
    threads: view.threads ?? started.threads,
    seed,
    steps,
    seconds: view.seconds ?? stepSeconds(view),
    hashes: { ...hashes, ...(adapterSha256 === undefined ? {} : { adapter: adapterSha256 }) },
    before: view.rates.before,
    after: view.rates.after,
  };
}
