import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { Problem } from '../base/problem';

/** One row of a data file: column -> text. Numbers and booleans are turned into text; null and missing values are left out. */
export type Row = { readonly [column: string]: string };

const asText = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null || value === undefined ? undefined : JSON.stringify(value);
};

function toRow(value: unknown, file: string, line: number): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Problem(
      'rowNotAnObject',
      `Row ${line} of ${file} is no object; each row must be {"column": value, ...}.`,
      {
        file,
      },
    );
  const row: { [column: string]: string } = {};
  for (const [name, cell] of Object.entries(value)) {
    const text = asText(cell);
    if (text !== undefined) row[name] = text;
  }
  return row;
}

const readers: { readonly [extension: string]: (text: string, file: string) => Row[] } = {
  '.csv': (text, file) => {
    const list: unknown[] = parse(text, { columns: true, bom: true, skip_empty_lines: true });
    return list.map((value, i) => toRow(value, file, i + 1));
  },
  '.json': (text, file) => {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) throw new Error('the file must hold one list of rows');
    return list.map((value, i) => toRow(value, file, i + 1));
  },
  '.jsonl': (text, file) =>
    text
      .split('\n')
      .map((line, i) => ({ line, number: i + 1 }))
      .filter(({ line }) => line.trim() !== '')
      .map(({ line, number }) => {
        try {
          return toRow(JSON.parse(line), file, number);
        } catch (error) {
          if (error instanceof Problem) throw error;
          throw new Error(`line ${number}: ${(error as Error).message}`);
        }
      }),
};

/**
 * All rows of a CSV (first line = column names), JSON (one list of objects) or JSONL file (one object a line).
 * Throws a Problem when the file is missing, of another kind, broken or empty.
 */
export function readRows(file: string, limit?: number): Row[] {
  const reader = readers[extname(file).toLowerCase()];
  if (!reader)
    throw new Problem('unknownDataFormat', `${file} is no .csv, .json or .jsonl file; convert it to one of these.`, {
      file,
    });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : (error as Error).message;
    throw new Problem('dataFileUnreadable', `The data file ${file} ${reason}; check its path in the experiment file.`, {
      file,
    });
  }
  let rows: Row[];
  try {
    rows = reader(text.replace(/^\uFEFF/, ''), file);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(
      'dataFileBroken',
      `${file} cannot be read as ${extname(file).slice(1)}: ${(error as Error).message}`,
      {
        file,
      },
    );
  }
  if (rows.length === 0) throw new Problem('noRows', `${file} holds no rows; it needs at least one.`, { file });
  return limit === undefined ? rows : rows.slice(0, limit);
}

/** A cell that must be there. `number` counts rows from 1. */
export function cell(row: Row, column: string, file: string, number: number): string {
  const value = row[column];
  if (value !== undefined && value !== '') return value;
  const columns = Object.keys(row).join(', ') || 'none';
  const reason = value === '' ? 'is empty' : 'is missing';
  throw new Problem(
    'missingColumn',
    `Column ${column} ${reason} in row ${number} of ${file}; its columns are: ${columns}.`,
    {
      file,
    },
  );
}
