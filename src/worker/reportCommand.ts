import { resolve } from 'node:path';
import { Problem } from '../base/problem';
import { reportMarkdown } from '../records/report';
import { isRunFolder, readRecords, readRunFolder, runFile } from '../records/runFolder';
import { writeDerived } from '../run/finishRun';

/** `sparring report`: prints a run's report and makes its derived files again. */
export function reportCommand({ run }: { run: string }): void {
  const folder = resolve(run);
  if (!isRunFolder(folder))
    throw new Problem('noRun', `${folder} holds no run; give the folder of a run, runs/<experiment>/<run id>.`, {
      file: folder,
    });
  const { view, config } = readRunFolder(folder);
  writeDerived(folder, readRecords(folder));
  console.log(reportMarkdown(view, config));
  console.error(`Written: ${runFile(folder, 'report')}, ${runFile(folder, 'reportHtml')}`);
}
