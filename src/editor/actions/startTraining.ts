import { basename, dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { Cancelled, Problem, Problems } from '../../base/problem';
import { resolveExperiment } from '../../experiment/resolve';
import { createRunFolder, runsFolder } from '../../records/runFolder';
import type { ExperimentRef } from '../commandIds';
import { chooseExperiment } from '../experimentFile';
import { log } from '../log';
import type { Runs } from '../runs';
import { readSettings } from '../settings';
import { optionsOf, startWorker } from '../workerClient';

export interface Launcher {
  /** The folder that the extension is installed in. */
  extensionFolder: string;
  runs: Runs;
  /** Where the engine report is shown; a document would ask to be saved. */
  engines: vscode.OutputChannel;
}

export const cliOf = (launcher: Launcher): string => join(launcher.extensionFolder, 'dist', 'cli.js');

/** The experiment that is meant. Offers to make one when there is none. */
export async function needExperiment(ref: ExperimentRef): Promise<vscode.Uri> {
  const uri = await chooseExperiment(ref, vscode.l10n.t('Which experiment?'));
  if (uri === undefined) throw new Cancelled();
  if (uri !== 'none') {
    if (uri.scheme === 'file') return uri;
    throw new Problem('notAFile', vscode.l10n.t('A run needs a folder on a disk; {0} is not on one.', uri.toString()));
  }
  const make = vscode.l10n.t('New Experiment...');
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('There is no *.sparring.yaml file in this workspace yet.'),
    make,
  );
  if (chosen === make) await vscode.commands.executeCommand('sparring.newExperiment');
  throw new Cancelled();
}

/** Checks an experiment, starts a worker for a new run of it and returns the run's folder. */
export async function startTraining(launcher: Launcher, ref: ExperimentRef): Promise<string> {
  const uri = await needExperiment(ref);
  const document = await vscode.workspace.openTextDocument(uri);
  if (document.isDirty && !(await document.save())) throw new Cancelled();
  const file = uri.fsPath;
  const { resolved, problems } = resolveExperiment(document.getText(), file);
  if (!resolved) {
    await showFirst(document, problems);
    throw new Problems(problems.filter((it) => it.severity === 'error'));
  }
  const { folder, runId } = createRunFolder(runsFolder(file, resolved.name), Date.now(), resolved.seed);
  const args = ['run', file, '--runs', dirname(folder), '--run-id', runId, '--plain'];
  await launch(launcher, [...args, ...optionsOf(readSettings())], folder);
  return folder;
}

/** Goes on with a run from its last checkpoint, on the engine it began with: its numbers stay the same to the last bit. */
export async function resumeRun(launcher: Launcher, folder: string): Promise<void> {
  if (launcher.runs.get(folder)?.live)
    throw new Problem('alreadyRunning', vscode.l10n.t('A worker is already writing this run.'));
  await launcher.runs.settled(folder);
  await launch(launcher, ['resume', folder, '--plain'], folder);
}

async function launch(launcher: Launcher, args: readonly string[], folder: string): Promise<void> {
  const settings = readSettings();
  const child = await startWorker(cliOf(launcher), args, folder, settings);
  log.info(`worker ${child.pid} started: ${args.join(' ')}`);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      log.info(`worker ${child.pid} ended: ${code ?? signal}`);
      resolve();
    });
  });
  launcher.runs.started({ folder, experiment: basename(dirname(folder)), runId: basename(folder) }, ended);
}

async function showFirst(document: vscode.TextDocument, problems: Problems['list']): Promise<void> {
  const first = problems.find((it) => it.severity === 'error');
  if (!first) return;
  const at = new vscode.Position((first.line ?? 1) - 1, (first.column ?? 1) - 1);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(at, at) });
}
