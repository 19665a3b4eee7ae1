import * as vscode from 'vscode';
import { idText, parseModelId } from '../../base/hubCache';
import { Cancelled, Problem } from '../../base/problem';
import { mend } from '../../experiment/mend';
import { parseExperiment } from '../../experiment/parse';
import { isExperimentName } from '../experimentFile';
import { modelsChanged } from '../modelsChanged';
import { parseWanted, pullInWorker, type Wanted } from '../pullInWorker';
import { readSettings } from '../settings';
import { cliOf, type Launcher } from './startTraining';

/**
 * Asks for a model where none is named, downloads it with `sparring model pull`, and offers to use it. The only command that uses the network.
 * `closing`: the extension ends, and the download with it; it goes on another time.
 */
export async function downloadModel(
  launcher: Launcher,
  named: string | undefined,
  closing: AbortSignal,
): Promise<void> {
  // Menus and other extensions give anything.
  const wanted = typeof named === 'string' ? { id: parseModelId(named) } : await askForModel();
  const id = idText(wanted.id);
  const title = vscode.l10n.t('Downloading {0}', id);
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (progress, token) => pull(launcher, wanted, closing, progress, token),
  );
  modelsChanged.fire();
  await offer(`hf:${id}`);
}

async function askForModel(): Promise<Wanted> {
  const text = await vscode.window.showInputBox({
    title: vscode.l10n.t('Download Model'),
    prompt: vscode.l10n.t(
      'A model of the Hugging Face Hub: OWNER/NAME, or OWNER/NAME@revision; for one of several GGUF files, its name after a space',
    ),
    placeHolder: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    ignoreFocusOut: true,
    validateInput: (text) => {
      try {
        if (text.trim() !== '') parseWanted(text);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  });
  if (text === undefined || text.trim() === '') throw new Cancelled();
  return parseWanted(text);
}

type Report = vscode.Progress<{ message?: string; increment?: number }>;

/** Resolves when the model is there. Throws Cancelled where the user stopped it; what was downloaded is kept. */
async function pull(
  launcher: Launcher,
  wanted: Wanted,
  closing: AbortSignal,
  progress: Report,
  token: vscode.CancellationToken,
): Promise<void> {
  const stop = new AbortController();
  const listening = token.onCancellationRequested(() => stop.abort());
  let shown = 0;
  try {
    await pullInWorker([cliOf(launcher)], wanted, readSettings(), {
      signal: AbortSignal.any([stop.signal, closing]),
      onProgress(done, total, file) {
        const percent = Math.max(shown, (100 * done) / Math.max(1, total));
        progress.report({ message: `${megabytes(done)} / ${megabytes(total)}  ${file}`, increment: percent - shown });
        shown = percent;
      },
    });
  } catch (error) {
    if (error instanceof Cancelled && stop.signal.aborted)
      vscode.window.showInformationMessage(
        vscode.l10n.t('The download of {0} was stopped; the next one goes on from there.', idText(wanted.id)),
      );
    throw error;
  } finally {
    listening.dispose();
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

const modelOf = (document: vscode.TextDocument): unknown =>
  ((parseExperiment(document.getText(), document.uri.fsPath).value ?? {}) as { model?: unknown }).model;

/** What can be done with a model that is there: put it into the open experiment, or on the clipboard. */
async function offer(model: string): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  // Whoever came from the quick fix of a missing model has it in the file already.
  const open = document && isExperimentName(document.uri.path) && modelOf(document) !== model ? document : undefined;
  const [use, copy] = [vscode.l10n.t('Use in This Experiment'), vscode.l10n.t('Copy Model Line')];
  const message = vscode.l10n.t('{0} is downloaded.', model);
  const chosen = await vscode.window.showInformationMessage(message, ...(open ? [use, copy] : [copy]));
  if (chosen === copy) await vscode.env.clipboard.writeText(`model: ${model}`);
  if (chosen !== use || !open) return;
  const fix = { kind: 'set', title: '', value: model } as const;
  const change = mend(open.getText(), open.uri.fsPath, ['model'], fix);
  const cannot = () =>
    new Problem('notEdited', vscode.l10n.t('The file could not be changed; write {0} into it.', model));
  if (!change) throw cannot();
  const edit = new vscode.WorkspaceEdit();
  edit.replace(open.uri, new vscode.Range(open.positionAt(change.start), open.positionAt(change.end)), change.text);
  if (!(await vscode.workspace.applyEdit(edit))) throw cannot();
}
