import { type LineWriter, openLines } from '../base/files';
import type { Closable } from '../base/scope';
import type { NewRecord, Output } from '../evaluation/output';
import { RECORD_VERSION, type RunRecord, type TextRecord } from '../records/record';
import { runFile } from '../records/runFolder';

/** Appends what a run yields to its folder: numbers and ids to records.jsonl, hostile texts to texts.jsonl. */
export interface Writer {
  /** Writes and returns the stamped record. */
  record(record: NewRecord): RunRecord;
  text(text: TextRecord): void;
  write(output: Output): void;
  close(): void;
}

/** Version and time for a record. */
export const stamp = (record: NewRecord): RunRecord =>
  ({ v: RECORD_VERSION, time: Date.now(), ...record }) as RunRecord;

/** Opens a run folder for writing; whoever opens it holds its lock. `onRecord` hears every record after it is on disk. */
export function openWriter(folder: string, onRecord: (record: RunRecord) => void): Writer & Closable {
  const records: LineWriter = openLines(runFile(folder, 'records'));
  const texts: LineWriter = openLines(runFile(folder, 'texts'));
  const writer: Writer = {
    record(record) {
      const stamped = stamp(record);
      records.append(JSON.stringify(stamped));
      onRecord(stamped);
      return stamped;
    },
    text: (text) => texts.append(JSON.stringify(text)),
    write(output) {
      if ('record' in output) writer.record(output.record);
      else writer.text(output.text);
    },
    close() {
      records.close();
      texts.close();
    },
  };
  return writer;
}
