import { join, resolve } from 'node:path';
import { makeFolder } from '../base/files';
import type { Resolved } from '../experiment/schema';
import { createRunFolder, runFile, runsFolder } from '../records/runFolder';
import { ratesTable } from '../records/table';
import { type RunEnd, type RunLinks, resumeRun, startRun } from '../run/runExperiment';
import { loadExperiment } from './loadExperiment';
import { packageVersion } from './packageVersion';
import type { MachineFlags, NewRunFlags, RunFlags } from './parseCommand';
import { type Progress, showProgress } from './progress';
import { serve } from './serve';
import { stopOnSignals } from './stopOnSignals';

function withFlags(resolved: Resolved, { seed, steps }: NewRunFlags): Resolved {
  return {
    ...resolved,
    seed: seed ?? resolved.seed,
    training: { ...resolved.training, steps: steps ?? resolved.training.steps },
  };
}

const machineOf = ({ engine, threads, nativePath, webgpuPath }: MachineFlags): MachineFlags => ({
  ...{ engine, threads, nativePath, webgpuPath },
});

/** `sparring run`: makes a run folder, runs the experiment in it and says how it went. */
export async function runCommand({ file, ...flags }: { file: string } & NewRunFlags): Promise<RunEnd> {
  const resolved = withFlags(loadExperiment(file), flags);
  const runs = flags.runs === undefined ? runsFolder(resolved.file, resolved.name) : resolve(flags.runs);
  const folder =
    flags.runId === undefined ? createRunFolder(runs, Date.now(), resolved.seed).folder : join(runs, flags.runId);
  makeFolder(folder);
  const about = { version: packageVersion(), machine: machineOf(flags) };
  return watched(folder, flags, (links) => startRun(folder, resolved, about, links));
}

/** `sparring resume`: goes on with a run. */
export async function resumeCommand({ run, ...flags }: { run: string } & RunFlags): Promise<RunEnd> {
  const folder = resolve(run);
  const about = { version: packageVersion(), machine: machineOf(flags) };
  return watched(folder, flags, (links) => resumeRun(folder, about, links));
}

/** Runs with everything around it: progress, the pipe for editors, signals, and the result at the end. */
async function watched(folder: string, { plain }: RunFlags, go: (links: RunLinks) => Promise<RunEnd>): Promise<RunEnd> {
  const progress: Progress = showProgress({ plain: plain || !process.stdout.isTTY });
  const stop = stopOnSignals(() => progress.say('Stopping; once more ends at once.'));
  progress.say(`Run folder: ${folder}`);
  try {
    const end = await go({
      signal: stop.signal,
      onRecord: progress.onRecord,
      onProgress: progress.onProgress,
      onLocked: () =>
        serve(folder, {
          status: () => progress.status(),
          stop: () => {
            stop.request();
            return {};
          },
        }),
    });
    progress.end();
    if (end === 'stopped') console.log(`Stopped. Go on with: sparring resume ${folder}`);
    else {
      console.log(`\n${ratesTable(progress.view())}\n`);
      console.log(`Report: ${runFile(folder, 'reportHtml')}`);
    }
    return end;
  } finally {
    progress.end();
    stop.close();
  }
}
