import { resolve } from 'node:path';
import { Problem } from '../base/problem';
import { isRunFolder, readRecords, readRunFolder } from '../records/runFolder';
import { writeDerived } from '../run/finishRun';
import { ratesTable } from './ratesTable';

/** `sparring report`: prints a run's rates and makes its derived files again. */
export function reportCommand({ run }: { run: string }): void {
  const folder = resolve(run);
  if (!isRunFolder(folder))
    throw new Problem('noRun', `${folder} holds no run; give the folder of a run, runs/<experiment>/<run id>.`, {
      file: folder,
    });
  const { view } = readRunFolder(folder);
  writeDerived(folder, readRecords(folder));
  console.log(ratesTable(view.rates));
}
