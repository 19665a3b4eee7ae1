import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { Problem } from '../../base/problem';
import { describeRun } from '../describeRun';
import { readSettings } from '../settings';
import { enginePathsOf, environmentOf, nodeOf, optionsOf } from '../workerClient';
import { cliOf, type Launcher } from './startTraining';

const run = promisify(execFile);
const ENGINE_WITHIN = 120_000;

/** Paths under the user's folder, made short and anonymous. */
const redact = (text: string): string => text.replaceAll(homedir(), '~');

/** Shows what `sparring engine` says: which engines were tried, which refused, and why. */
export async function engineReport(launcher: Launcher): Promise<void> {
  const settings = readSettings();
  const text = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('Sparring looks for engines') },
    async () => {
      try {
        const args = [cliOf(launcher), 'engine', ...optionsOf(settings), ...enginePathsOf(settings)];
        const { stdout, stderr } = await run(nodeOf(settings), args, {
          cwd: homedir(),
          env: environmentOf(),
          timeout: ENGINE_WITHIN,
        });
        return stdout + stderr;
      } catch (error) {
        const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
        if (stdout + stderr !== '') return stdout + stderr;
        throw new Problem('engineReport', vscode.l10n.t('The engines could not be asked: {0}', message));
      }
    },
  );
  launcher.engines.replace(text);
  launcher.engines.show();
}

/** Puts what a bug report needs on the clipboard. Nothing is sent anywhere. */
export async function copyDiagnostics(launcher: Launcher, version: string): Promise<void> {
  const settings = readSettings();
  const lines = [
    `Sparring ${version}`,
    `VS Code ${vscode.version} (${vscode.env.appHost}${vscode.env.remoteName ? `, remote ${vscode.env.remoteName}` : ''})`,
    `Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    `settings ${JSON.stringify(settings)}`,
    `trusted ${vscode.workspace.isTrusted}, folders ${vscode.workspace.workspaceFolders?.length ?? 0}`,
    ...launcher.runs
      .list()
      .slice(0, 5)
      .map(
        (it) =>
          `run ${it.experiment}/${it.runId}: ${describeRun(it)}; engine ${it.view.engine}, device ${it.view.device}`,
      ),
  ];
  await vscode.env.clipboard.writeText(redact(lines.join('\n')));
  void vscode.window.setStatusBarMessage(vscode.l10n.t('Diagnostics copied'), 4000);
}
