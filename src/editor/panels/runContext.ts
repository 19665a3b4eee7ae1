import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import * as vscode from 'vscode';
import { isFile, readJson } from '../../base/files';
import { packageRoot } from '../../base/packageRoot';
import { parseExperiment } from '../../experiment/parse';
import type { ConfigRow, RunContext } from '../../protocol/panels';
import { runFile } from '../../records/runFolder';
import { configRows, lineOf } from '../configRows';
import { isExperimentName } from '../experimentFile';

/** A run's experiment file, if it still exists. Only files with our ending: the path comes out of the run folder. */
export function experimentFileOf(folder: string): string | undefined {
  const config = readConfig(folder);
  const file = typeof config?.['file'] === 'string' ? config['file'] : undefined;
  return file !== undefined && isExperimentName(file) && existsSync(file) ? file : undefined;
}

function readConfig(folder: string): { [key: string]: unknown } | undefined {
  const file = runFile(folder, 'config');
  return isFile(file) ? (readJson(file) as { [key: string]: unknown }) : undefined;
}

/** A path as the experiment file writes it: what ships with Sparring by its builtin name, what lies beside the file relative to it. */
function shortPath(value: string, file: string | undefined): string {
  if (!isAbsolute(value)) return value;
  const shipped = relative(join(packageRoot(), 'media'), value);
  if (!shipped.startsWith('..') && !isAbsolute(shipped)) return `builtin:${shipped.replaceAll('\\', '/')}`;
  const near = file === undefined ? value : relative(dirname(file), value);
  return near.startsWith('..') || isAbsolute(near) ? value : near;
}

/** What a monitor shows beside the records. */
export function runContext(folder: string, live: boolean): RunContext {
  const file = experimentFileOf(folder);
  const parsed = file === undefined ? undefined : parseExperiment(readFileSync(file, 'utf8'), file);
  const config: ConfigRow[] = configRows(readConfig(folder) ?? {}).map((row) => ({
    ...row,
    value: shortPath(row.value, file),
    line: parsed && lineOf(parsed, row.at),
  }));
  const trusted = vscode.workspace.isTrusted;
  const [experiment, runId] = [basename(dirname(folder)), basename(folder)];
  return { folder, experiment, runId, live, trusted, file: file === undefined ? undefined : basename(file), config };
}
