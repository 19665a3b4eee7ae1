import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { isFile, readJson } from '../../base/files';
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

/** What a monitor shows beside the records. */
export function runContext(folder: string, live: boolean): RunContext {
  const file = experimentFileOf(folder);
  const parsed = file === undefined ? undefined : parseExperiment(readFileSync(file, 'utf8'), file);
  const config: ConfigRow[] = configRows(readConfig(folder) ?? {}).map((row) => ({
    ...row,
    line: parsed && lineOf(parsed, row.at),
  }));
  const trusted = vscode.workspace.isTrusted;
  const [experiment, runId] = [basename(dirname(folder)), basename(folder)];
  return { folder, experiment, runId, live, trusted, file: file === undefined ? undefined : basename(file), config };
}
