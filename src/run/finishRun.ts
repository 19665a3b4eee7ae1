import { join } from 'node:path';
import { writeAtomic, writeJson } from '../base/files';
import { saveAdapter } from '../model/adapter';
import { emptyView, foldAll } from '../records/fold';
import { RECORD_VERSION, type RunRecord, type Summary } from '../records/record';
import { readRecords, runFile } from '../records/runFolder';
import type { RunView } from '../records/runView';
import type { TrainState } from './checkpoint';
import { workingSeconds } from './resume';
import type { RunConfigFile } from './runConfig';
import { eventsFile } from './tensorBoard';
import { stamp, type Writer } from './writer';

/** The trained adapter in PEFT's format, what is derived from the records, and last the record that says the run has finished. */
export async function finishRun(
  folder: string,
  { config, state, writer }: { config: RunConfigFile; state: TrainState; writer: Writer },
): Promise<void> {
  const adapterSha256 = await saveAdapter(runFile(folder, 'adapter'), state.adapter, {
    baseModel: config.resolved.model,
  });
  const records = readRecords(folder);
  const now = Date.now();
  const seconds = workingSeconds([...records, { v: RECORD_VERSION, time: now, kind: 'stopped', step: state.step }]);
  const finished = { kind: 'finished', seconds, adapterSha256 } as const;
  // The derived files say what the last record will say, and stand before it does.
  writeDerived(folder, [...records, stamp(finished)]);
  writer.record(finished);
}

/** Writes again what follows from the records of a finished run: summary.json, the reports, the TensorBoard events. */
export function writeDerived(folder: string, records: readonly RunRecord[]): void {
  const view = foldAll(emptyView, records);
  const summary = summarize(view, records);
  if (summary) writeJson(runFile(folder, 'summary'), summary);
  writeAtomic(join(folder, 'tensorboard', 'events.out.tfevents.sparring'), eventsFile(records));
}

export function summarize(view: RunView, records: readonly RunRecord[]): Summary | undefined {
  const { started } = view;
  const finished = records.find((record) => record.kind === 'finished');
  if (!started || !finished) return undefined;
  const { runId, experiment, method, model, seed, steps, hashes } = started;
  return {
    v: RECORD_VERSION,
    runId,
    experiment,
    method,
    model,
    engine: view.engine,
    device: view.device,
    threads: started.threads,
    seed,
    steps,
    seconds: finished.seconds,
    hashes: { ...hashes, ...(finished.adapterSha256 ? { adapter: finished.adapterSha256 } : {}) },
    ...view.rates,
  };
}
