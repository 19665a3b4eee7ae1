import { writeAtomic } from '../base/files';
import { completedUnit, unitKey } from '../evaluation/unit';
import type { RunRecord } from '../records/record';
import { readRecords, runFile } from '../records/runFolder';

/** What a run already has when it goes on at `step`. */
export interface Kept {
  records: RunRecord[];
  /** Units of the evaluation that are done and need not be measured again, as unitKey names them. */
  units: ReadonlySet<string>;
}

/**
 * The records that still hold when a run goes on from the checkpoint of `step` (0: from the start): what came after it is done again, and
 * so is each unit of the evaluation that was not finished. Ends of earlier sessions are left out.
 */
export function keptRecords(records: readonly RunRecord[], step: number): Kept {
  const units = new Set(records.flatMap((record) => completedUnit(record) ?? []));
  const holds = (record: RunRecord): boolean => {
    switch (record.kind) {
      case 'started':
      case 'resumed':
      case 'problem':
        return true;
      case 'step':
      case 'checkpoint':
        return record.step <= step;
      case 'rate':
      case 'attack':
        return record.step <= step;
      case 'sample':
      case 'progress':
        return record.step <= step && units.has(unitKey(record.phase, record.step, record.metric));
      case 'stopped':
      case 'failed':
      case 'finished':
        return false;
    }
  };
  const kept = records.filter(holds);
  return { records: kept, units: new Set(kept.flatMap((record) => completedUnit(record) ?? [])) };
}

/** Cuts a run folder's records back to what holds at `step`, in one move. Texts stay: where one is written again, the later counts. */
export function rewind(folder: string, step: number): Kept {
  const kept = keptRecords(readRecords(folder), step);
  writeAtomic(runFile(folder, 'records'), kept.records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return kept;
}

/** Working time over all sessions, in seconds: from each session's first record to its last. */
export function workingSeconds(records: readonly RunRecord[]): number {
  let total = 0;
  let first: number | undefined;
  let last = 0;
  for (const { kind, time } of records) {
    if (kind === 'started' || kind === 'resumed') {
      if (first !== undefined) total += last - first;
      first = time;
    }
    last = time;
  }
  return (total + (first === undefined ? 0 : last - first)) / 1000;
}
