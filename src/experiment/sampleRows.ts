import { basename, extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { isFile, isFolder, namesIn, readStart } from '../base/files';

/** What the checks ask of the file system. */
export interface CheckFiles {
  isFile(path: string): boolean;
  isFolder(path: string): boolean;
  namesIn(folder: string): string[];
  /** At most so many bytes from a file's beginning. */
  readStart(path: string, limit: number): Uint8Array;
  /** Nothing can be seen from here: what depends on files is not checked. */
  blind?: true;
}

/** For a text that stands on no disk, e.g. one of a virtual workspace. */
export const noFiles: CheckFiles = {
  isFile: () => false,
  isFolder: () => false,
  namesIn: () => [],
  readStart: () => new Uint8Array(),
  blind: true,
};

/** The disk. */
export const diskFiles: CheckFiles = { isFile, isFolder, namesIn, readStart };

/** Rows as a check sees them: column -> whatever stands there. */
export type SampleRow = { readonly [column: string]: unknown };

export interface Sample {
  rows: SampleRow[];
  /** Every column that any of these rows has, in order. */
  columns: string[];
  /** Whether these are all the rows; else the file is larger than what was read. */
  whole: boolean;
}

export const DATA_ENDINGS = ['.csv', '.json', '.jsonl'] as const;

/** So much of a file is read: enough for every row of the usual test sets, and quick while somebody types. */
export const SAMPLE_BYTES = 2 << 20;

const isRow = (value: unknown): value is SampleRow =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseRows(text: string, ending: string, name: string): unknown[] {
  if (ending === '.csv') return parse(text, { columns: true, bom: true, skip_empty_lines: true }) as unknown[];
  if (ending === '.json') {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) throw new Error('it must hold one list of rows: [ {...}, {...} ]');
    return list;
  }
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      throw new Error(`line ${i + 1} of ${name} is not JSON`);
    }
  });
}

/**
 * The first rows of a data file. Undefined where it is too large to be judged by its beginning alone (JSON, which ends with its bracket).
 * Throws an Error that says what is wrong with the file; the run reads files again, whole, and says more.
 */
export function sampleRows(path: string, files: CheckFiles): Sample | undefined {
  const ending = extname(path).toLowerCase();
  const bytes = files.readStart(path, SAMPLE_BYTES);
  const whole = bytes.length < SAMPLE_BYTES;
  let text = new TextDecoder().decode(bytes);
  if (!whole) {
    if (ending === '.json') return undefined;
    // the last line is torn, and in a CSV file the row may have begun lines before: both are left to the run
    text = text.slice(0, text.lastIndexOf('\n') + 1);
  }
  let values: unknown[];
  try {
    values = parseRows(text.replace(/^\uFEFF/, ''), ending, basename(path));
  } catch (error) {
    if (!whole && ending === '.csv') return undefined;
    throw error;
  }
  const rows = values.filter(isRow);
  if (rows.length < values.length) throw new Error('each row must be an object: {"column": value, ...}');
  return { rows, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], whole };
}
