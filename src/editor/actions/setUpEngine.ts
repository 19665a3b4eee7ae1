import * as vscode from 'vscode';
import { Cancelled } from '../../base/problem';
import { log } from '../log';
import { runCli } from '../runCli';
import { readSettings } from '../settings';
import { engineReport } from './diagnostics';
import { cliOf, type Launcher } from './startTraining';

/** Fetches TensorFlow's library with the user's pip, after asking, and shows what the engines say then. `closing`: the extension ends. */
export async function setUpEngine(launcher: Launcher, closing: AbortSignal): Promise<void> {
  const go = vscode.l10n.t('Download');
  const cuda = vscode.l10n.t('Download with CUDA');
  const canCuda = process.platform === 'linux' && process.arch === 'x64';
  const size = vscode.l10n.t(
    'pip downloads TensorFlow (about 300 MB) into your own data folder, where 850 MB of it are kept. Remove it with: sparring engine remove',
  );
  const cudaSize = vscode.l10n.t("With CUDA, for NVIDIA's GPUs, it downloads 3.3 GB and keeps 5.6 GB.");
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('Set up the native engine?'),
    { modal: true, detail: canCuda ? `${size}\n\n${cudaSize}` : size },
    go,
    ...(canCuda ? [cuda] : []),
  );
  if (chosen === undefined) throw new Cancelled();
  const install = ['engine', 'install', ...(chosen === cuda ? ['--cuda'] : [])];
  const title = vscode.l10n.t('Setting up the native engine');
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      const stop = new AbortController();
      const listening = token.onCancellationRequested(() => stop.abort());
      try {
        await runCli([cliOf(launcher)], install, readSettings(), {
          signal: AbortSignal.any([stop.signal, closing]),
          onLine: (line) => {
            log.info(line);
            progress.report({ message: line.slice(0, 80) });
          },
        });
      } finally {
        listening.dispose();
      }
    },
  );
  await engineReport(launcher);
}
