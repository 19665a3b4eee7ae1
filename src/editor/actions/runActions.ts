import { join } from 'node:path';
import * as vscode from 'vscode';
import { isFile } from '../../base/files';
import { Problem } from '../../base/problem';
import type { ExperimentRef, RunRef } from '../commandIds';
import { describeRun, runTime } from '../describeRun';
import type { KnownRun, Runs } from '../runs';
import { stopWorker, WORKER_LOG } from '../workerClient';
import { chooseRun } from './chooseRun';
import { needExperiment } from './startTraining';

const noRuns = () => vscode.l10n.t('There is no run yet. Start Training makes one.');

export const anyRun = (runs: Runs, ref: RunRef): Promise<string> =>
  chooseRun(runs, ref, { title: vscode.l10n.t('Which run?'), fits: () => true, none: noRuns() });

export const resumableRun = (runs: Runs, ref: RunRef): Promise<string> =>
  chooseRun(runs, ref, {
    title: vscode.l10n.t('Which run shall go on?'),
    fits: (run) => !run.live && run.view.status !== 'finished',
    none: vscode.l10n.t('There is no unfinished run to resume.'),
  });

export const finishedRun = (runs: Runs, ref: RunRef): Promise<string> =>
  chooseRun(runs, ref, {
    title: vscode.l10n.t('Report of which run?'),
    fits: (run) => run.view.status === 'finished',
    none: vscode.l10n.t('There is no finished run yet: the report is written at its end.'),
  });

/** Asks a run's worker to stop. It drops the step in flight and writes a checkpoint. */
export async function stopRun(runs: Runs, ref: RunRef): Promise<void> {
  const folder = await chooseRun(runs, ref, {
    title: vscode.l10n.t('Stop which run?'),
    fits: (run) => run.live,
    none: vscode.l10n.t('No run is going on.'),
  });
  const how = await stopWorker(folder);
  void vscode.window.setStatusBarMessage(vscode.l10n.t('Stopping ...'), 5000);
  if (how === 'signalled')
    void vscode.window.showInformationMessage(
      vscode.l10n.t(
        'The worker did not answer, so it was sent a signal instead. The run resumes from its last checkpoint.',
      ),
    );
}

export async function showLog(runs: Runs, ref: RunRef): Promise<void> {
  const folder = await anyRun(runs, ref);
  const file = join(folder, WORKER_LOG);
  if (!isFile(file))
    throw new Problem('noLog', vscode.l10n.t('This run has no log: it was not started from the editor.'));
  await vscode.window.showTextDocument(vscode.Uri.file(file), { preview: true });
}

/** The same run for a terminal, on the clipboard. */
export async function copyCommand(ref: ExperimentRef): Promise<void> {
  const uri = await needExperiment(ref);
  await vscode.env.clipboard.writeText(`sparring run "${vscode.workspace.asRelativePath(uri, false)}"`);
  void vscode.window.setStatusBarMessage(vscode.l10n.t('Command copied'), 4000);
}

// Shorter runs end before anybody looks away.
const WORTH_TELLING = 60_000;

/** Says once that a run has ended: failures always, the rest when it took a while. */
export async function tellEnd(run: KnownRun): Promise<void> {
  const { view } = run;
  const monitor = vscode.l10n.t('Open Monitor');
  const name = `${run.experiment} (${runTime(run.runId)})`;
  let chosen: string | undefined;
  const openLog = vscode.l10n.t('Show Log');
  if (view.status === 'failed' || view.status === 'waiting' || view.status === 'running') {
    const why = view.problems.findLast((it) => it.severity === 'error')?.message;
    chosen = await vscode.window.showErrorMessage(
      why === undefined
        ? vscode.l10n.t('{0}: the worker ended without a word.', name)
        : vscode.l10n.t('{0}: {1}', name, why),
      monitor,
      openLog,
    );
  } else {
    if ((view.updatedAt ?? 0) - (view.startedAt ?? 0) < WORTH_TELLING) return;
    chosen = await vscode.window.showInformationMessage(vscode.l10n.t('{0}: {1}', name, describeRun(run)), monitor);
  }
  if (chosen === monitor) await vscode.commands.executeCommand('sparring.openMonitor', run.folder);
  if (chosen === openLog) await vscode.commands.executeCommand('sparring.showLog', run.folder);
}
