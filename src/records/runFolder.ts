import { basename, dirname, join } from 'node:path';
import { isFile, isFolder, makeFolder, namesIn, readJson, readText, readTextAsync, tail } from '../base/files';
import { emptyView, foldAll } from './fold';
import { parseRecord, type RunRecord, type Summary, type TextRecord } from './record';
import type { RunView } from './runView';

/** Names inside a run folder. `checkpoints/step-12` is made by `checkpointFolder`. */
export const RUN_FILES = {
  config: 'config.json',
  records: 'records.jsonl',
  texts: 'texts.jsonl',
  summary: 'summary.json',
  report: 'report.md',
  reportHtml: 'report.html',
  worker: 'worker.json',
  checkpoints: 'checkpoints',
  adapter: 'adapter',
} as const;
export type RunFile = keyof typeof RUN_FILES;

/** Path of one of a run's files. */
export function runFile(folder: string, name: RunFile): string {
  return join(folder, RUN_FILES[name]);
}

/** Folder of the checkpoint after so many optimizer steps; relative to the run folder it is `checkpoints/step-<n>`. */
export function checkpointFolder(folder: string, step: number): string {
  return join(runFile(folder, 'checkpoints'), `step-${step}`);
}

/** `<experiment file's folder>/runs/<experiment>`, where all runs of an experiment stand. */
export function runsFolder(experimentFile: string, experiment: string): string {
  return join(dirname(experimentFile), 'runs', experiment);
}

/** An id that sorts by time: `20261124-183005-seed7` (UTC). */
export function newRunId(now: number | Date, seed: number): string {
  const [day, time] = new Date(now).toISOString().split('T') as [string, string];
  return `${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}-seed${seed}`;
}

/** Makes a new run folder under `runs` (see `runsFolder`), never an existing one: a second run within the same second gets `-2`. */
export function createRunFolder(runs: string, now: number | Date, seed: number): { folder: string; runId: string } {
  const first = newRunId(now, seed);
  for (let n = 1; ; n++) {
    const runId = n === 1 ? first : `${first}-${n}`;
    const folder = join(runs, runId);
    if (makeFolder(folder, { mustBeNew: true })) return { folder, runId };
  }
}

/** A run found on disk. */
export interface RunEntry {
  folder: string;
  experiment: string;
  runId: string;
}

/** True for a folder that holds a run. */
export function isRunFolder(folder: string): boolean {
  return isFile(runFile(folder, 'records')) || isFile(runFile(folder, 'config'));
}

/** The runs under `<folder>/runs`, of one experiment or of all, newest first. */
export function listRuns(folder: string, experiment?: string): RunEntry[] {
  const top = join(folder, 'runs');
  const experiments = experiment === undefined ? namesIn(top) : [experiment];
  return experiments
    .flatMap((name) =>
      namesIn(join(top, name)).map((runId) => ({ folder: join(top, name, runId), experiment: name, runId })),
    )
    .filter((entry) => isFolder(entry.folder) && isRunFolder(entry.folder))
    .sort((a, b) => compareIds(b.runId, a.runId) || a.experiment.localeCompare(b.experiment));
}

const compareIds = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Resolved config of a run as it stands in config.json: an experiment with defaults, plain JSON. */
export type RunConfig = { readonly [key: string]: unknown };

/** All that a run folder says. `config` and `summary` are absent while their files are. */
export interface RunFolder {
  view: RunView;
  config?: RunConfig;
  summary?: Summary;
}

const parseLines = (lines: readonly string[]): RunRecord[] =>
  lines.flatMap((line) => {
    const record = parseRecord(line);
    return record ? [record] : [];
  });

/** The records of a run, in order; none when there is no file yet. Lines that are no records are left out. */
export function readRecords(folder: string): RunRecord[] {
  const file = runFile(folder, 'records');
  return isFile(file) ? parseLines(readText(file).split('\n')) : [];
}

/** Reads a run folder whole. Throws a Problem where config.json or summary.json is broken. */
export function readRunFolder(folder: string): RunFolder {
  const read = <T>(name: RunFile): T | undefined => {
    const file = runFile(folder, name);
    return isFile(file) ? (readJson(file) as T) : undefined;
  };
  return {
    view: foldAll(emptyView, readRecords(folder)),
    config: read<RunConfig>('config'),
    summary: read<Summary>('summary'),
  };
}

/**
 * Follows a run: first all its records, then those that come, in batches as they are read. `onReset` says that the file was replaced, and
 * that all records follow again. The folder need not exist yet.
 */
export function followRun(
  folder: string,
  onRecords: (records: RunRecord[]) => void,
  onReset?: () => void,
): { close(): void } {
  return tail(runFile(folder, 'records'), {
    onLines(lines) {
      const records = parseLines(lines);
      if (records.length > 0) onRecords(records);
    },
    onReset,
  });
}

/** The same as a view: called with the whole view and with what was new in it. */
export function followView(folder: string, onView: (view: RunView, records: RunRecord[]) => void): { close(): void } {
  let view = emptyView;
  return followRun(
    folder,
    (records) => {
      view = foldAll(view, records);
      onView(view, records);
    },
    () => {
      view = emptyView;
    },
  );
}

function parseText(line: string): TextRecord | undefined {
  try {
    const value = JSON.parse(line) as Partial<TextRecord> | null;
    if (typeof value?.id !== 'string' || typeof value.prompt !== 'string' || typeof value.output !== 'string')
      return undefined;
    return value as TextRecord;
  } catch {
    // a torn line
    return undefined;
  }
}

/** The texts of these ids, as far as they exist; where an id was written twice (a resumed run), the last. Hostile text. */
export async function readTexts(folder: string, ids: readonly string[]): Promise<TextRecord[]> {
  const file = runFile(folder, 'texts');
  if (!isFile(file)) return [];
  const wanted = new Set(ids);
  const found = new Map<string, TextRecord>();
  for (const line of (await readTextAsync(file)).split('\n')) {
    const text = line ? parseText(line) : undefined;
    if (text && wanted.has(text.id)) found.set(text.id, text);
  }
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** One text, or undefined. */
export async function readTextOf(folder: string, id: string): Promise<TextRecord | undefined> {
  return (await readTexts(folder, [id]))[0];
}

/** `runs/<experiment>/<run id>` of a run folder's path, for people. */
export function runLabel(folder: string): string {
  return `${basename(dirname(folder))}/${basename(folder)}`;
}
