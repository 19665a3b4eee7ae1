import { isFile, readJson, writeJson } from '../base/files';
import { Problem } from '../base/problem';
import type { Resolved } from '../experiment/schema';
import { runFile } from '../records/runFolder';
import { type Hashes, hashConfig } from './hashes';

/** config.json of a run folder: the resolved experiment, and of what and by which version of Sparring the run was made. */
export interface RunConfigFile {
  resolved: Resolved;
  hashes: Hashes;
  version: string;
}

export function writeRunConfig(folder: string, { resolved, hashes, version }: RunConfigFile): void {
  writeJson(runFile(folder, 'config'), { ...resolved, hashes, version });
}

/** Reads it back. Throws a Problem when there is none, or when it was changed by hand. */
export function readRunConfig(folder: string): RunConfigFile {
  const file = runFile(folder, 'config');
  if (!isFile(file))
    throw new Problem(
      'noRun',
      `${folder} holds no run: it has no config.json. Give the folder of a run, runs/<experiment>/<run id>.`,
      {
        file: folder,
      },
    );
  const { hashes, version, ...resolved } = readJson(file) as Resolved & Pick<RunConfigFile, 'hashes' | 'version'>;
  if (hashes?.config !== hashConfig(resolved))
    throw new Problem(
      'configChanged',
      `${file} was changed after the run had started; put it back, or start a new run.`,
      { file },
    );
  return { resolved, hashes, version };
}
