import { type ChildProcess, spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import * as vscode from 'vscode';
import { idText, parseModelId } from '../../base/hubCache';
import { Cancelled, Problem } from '../../base/problem';
import { mend } from '../../experiment/mend';
import { isExperimentName } from '../experimentFile';
import { log } from '../log';
import { modelsChanged } from '../modelsChanged';
import { readSettings } from '../settings';
import { environmentOf, nodeOf } from '../workerClient';
import { cliOf, type Launcher } from './startTraining';

/** Asks for a model where none is named, downloads it with `sparring model pull`, and offers to use it. The only command that uses the network. */
export async function downloadModel(launcher: Launcher, named?: string): Promise<void> {
  const text = named ?? (await askForModel());
  if (text === undefined) return;
  const id = idText(parseModelId(text));
  const title = vscode.l10n.t('Downloading {0}', id);
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (progress, token) => pull(launcher, id, progress, token),
  );
  modelsChanged.fire();
  await offer(`hf:${id}`);
}

async function askForModel(): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Download Model'),
    prompt: vscode.l10n.t('A model of the Hugging Face Hub: OWNER/NAME, or OWNER/NAME@revision'),
    placeHolder: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    ignoreFocusOut: true,
    validateInput: (text) => {
      try {
        if (text !== '') parseModelId(text.trim());
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  });
}

type Report = vscode.Progress<{ message?: string; increment?: number }>;

/** Resolves when the model is there. Throws Cancelled where the user stopped it; what was downloaded is kept. */
async function pull(launcher: Launcher, id: string, progress: Report, token: vscode.CancellationToken): Promise<void> {
  const settings = readSettings();
  const child = spawn(nodeOf(settings), [cliOf(launcher), 'model', 'pull', id, '--plain'], {
    cwd: homedir(),
    env: environmentOf(),
    windowsHide: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = token.onCancellationRequested(() => child.kill('SIGTERM'));
  const errors: string[] = [];
  let shown = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, done, total, file] = /^progress (\d+) (\d+) (.*)$/.exec(line) ?? [];
    if (total === undefined) return log.info(line);
    const percent = (100 * Number(done)) / Math.max(1, Number(total));
    progress.report({
      message: `${megabytes(Number(done))} / ${megabytes(Number(total))}  ${file}`,
      increment: percent - shown,
    });
    shown = percent;
  });
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  try {
    const code = await ended(child);
    if (token.isCancellationRequested) {
      vscode.window.showInformationMessage(
        vscode.l10n.t('The download of {0} was stopped; the next one goes on from there.', id),
      );
      throw new Cancelled();
    }
    if (code !== 0) throw new Problem('download', errors.join(' ').replace(/ \(\w+\)$/, '') || `exit code ${code}`);
  } finally {
    stop.dispose();
  }
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** What can be done with a model that is there: put it into the open experiment, or on the clipboard. */
async function offer(model: string): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const open = document && isExperimentName(document.uri.path) ? document : undefined;
  const [use, copy] = [vscode.l10n.t('Use in This Experiment'), vscode.l10n.t('Copy Model Line')];
  const message = vscode.l10n.t('{0} is downloaded.', model);
  const chosen = await vscode.window.showInformationMessage(message, ...(open ? [use, copy] : [copy]));
  if (chosen === copy) await vscode.env.clipboard.writeText(`model: ${model}`);
  if (chosen !== use || !open) return;
  const fix = { kind: 'set', title: '', value: model } as const;
  const change = mend(open.getText(), open.uri.fsPath, ['model'], fix);
  if (!change) return;
  const edit = new vscode.WorkspaceEdit();
  edit.replace(open.uri, new vscode.Range(open.positionAt(change.start), open.positionAt(change.end)), change.text);
  await vscode.workspace.applyEdit(edit);
}
