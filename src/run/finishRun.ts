import { join } from 'node:path';
import { isFile, readJson, writeAtomic, writeJson } from '../base/files';
import { saveAdapter } from '../model/adapter';
import type { Model } from '../model/model';
import { emptyView, foldAll } from '../records/fold';
import { RECORD_VERSION, type RunRecord } from '../records/record';
import { reportMarkdown } from '../records/report';
import { reportHtml } from '../records/reportHtml';
import { type RunConfig, readRecords, runFile } from '../records/runFolder';
import { summarize } from '../records/summary';
import { compiles, jitCounts } from '../tensor/jit';
import type { TrainState } from './checkpoint';
import { workingSeconds } from './resume';
import type { RunConfigFile } from './runConfig';
import { eventsFile } from './tensorBoard';
import { stamp, type Writer } from './writer';

/** The trained adapter in PEFT's format, what is derived from the records, and last the record that says the run has finished. */
export async function finishRun(
  folder: string,
  {
    config,
    model,
    state,
    writer,
  }: { config: RunConfigFile; model: Pick<Model, 'config'>; state: TrainState; writer: Writer },
): Promise<void> {
  const adapterSha256 = await saveAdapter(runFile(folder, 'adapter'), state.adapter, {
    config: model.config,
    baseModel: config.resolved.model,
  });
  const records = readRecords(folder);
  const now = Date.now();
  const seconds = workingSeconds([...records, { v: RECORD_VERSION, time: now, kind: 'stopped', step: state.step }]);
  const { recorded, calls, refused } = jitCounts();
  const compiled = compiles()
    ? { functions: recorded, calls, refused: refused.map((why) => why.slice(0, 200)) }
    : undefined;
  const finished = { kind: 'finished', seconds, adapterSha256, ...(compiled && { compiled }) } as const;
  // The derived files say what the last record will say, and stand before it does.
  writeDerived(folder, [...records, stamp(finished)]);
  writer.record(finished);
}

/** Writes what follows from the records of a run: the reports, the TensorBoard events and, once it has finished, summary.json. */
export function writeDerived(folder: string, records: readonly RunRecord[]): void {
  const view = foldAll(emptyView, records);
  const summary = view.status === 'finished' ? summarize(view) : undefined;
  if (summary) writeJson(runFile(folder, 'summary'), summary);
  const file = runFile(folder, 'config');
  const config = isFile(file) ? (readJson(file) as RunConfig) : undefined;
  writeAtomic(runFile(folder, 'report'), reportMarkdown(view, config));
  writeAtomic(runFile(folder, 'reportHtml'), reportHtml(view, config));
  writeAtomic(join(folder, 'tensorboard', 'events.out.tfevents.sparring'), eventsFile(records));
}
