import { join, resolve } from 'node:path';
import { isFile, namesIn } from '../base/files';
import { packageRoot } from '../base/packageRoot';
import { Problem } from '../base/problem';
import type { RunEnd } from '../run/runExperiment';
import type { NewRunFlags } from './parseCommand';
import { runCommand } from './runCommand';

const ENDING = '.sparring.yaml';

/** Runs an example that ships, with its run folder under ./runs, so that nothing that ships is written to. */
export async function demoCommand({ example, ...flags }: { example: string } & NewRunFlags): Promise<RunEnd> {
  const folder = join(packageRoot(), 'media', 'examples');
  const file = join(folder, `${example}${ENDING}`);
  const names = namesIn(folder)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length));
  if (!isFile(file)) throw new Problem('usage', `There is no example ${example}; there are ${names.join(', ')}.`);
  const began = Date.now();
  const end = await runCommand({ ...flags, file, runs: flags.runs ?? resolve('runs', example) });
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(`Total time: ${Math.floor(seconds / 60)} min ${seconds % 60} s`);
  return end;
}
