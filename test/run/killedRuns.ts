import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/base/files';

/** How to start `sparring`: node's own arguments up to the command line's entry. */
export type Cli = readonly string[];

export const sourceCli: Cli = ['--import', 'tsx', join(__dirname, '..', '..', 'src', 'worker', 'cli.ts')];

export interface Session {
  child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
  output(): string;
}

/** Starts `sparring <args>` in its own process. */
export function sparring(cli: Cli, args: readonly string[]): Session {
  const child = spawn(process.execPath, [...cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (text += data.toString()));
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1));
  });
  return { child, ended, output: () => text };
}

/** Whole lines in a run's records. */
export function countRecords(folder: string): number {
  const file = join(folder, 'records.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

/** The sha256 of a finished run's adapter. */
export const adapterHash = (folder: string): string =>
  sha256(readFileSync(join(folder, 'adapter', 'adapter_model.safetensors')));

/** summary.json without what no two runs share. */
export function lastingSummary(folder: string): object {
  const { runId: _id, seconds: _seconds, ...lasting } = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'));
  return lasting;
}
