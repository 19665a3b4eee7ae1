import * as vscode from 'vscode';
import { Cancelled, formatProblem, Problem, Problems } from '../base/problem';

/** The extension's own log: nothing leaves this machine. Levels are set with VS Code's "Set Log Level". */
export const log = vscode.window.createOutputChannel('Sparring', { log: true });

/** The one place where failures reach the user: silence for a cancel, a sentence for a problem, the log for a bug. */
export async function report(error: unknown, during: string): Promise<void> {
  if (error instanceof Cancelled) return;
  if (error instanceof Problem || error instanceof Problems) {
    const list = error instanceof Problem ? [error.data] : error.list;
    for (const problem of list) log.warn(`${during}: ${formatProblem(problem)}`);
    const first = list[0];
    const more = list.length > 1 ? ` ${vscode.l10n.t('({0} more in the log)', list.length - 1)}` : '';
    await vscode.window.showErrorMessage(`${first?.message ?? error.message}${more}`);
    return;
  }
  log.error(`${during}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  const open = vscode.l10n.t('Open Log');
  const chosen = await vscode.window.showErrorMessage(
    vscode.l10n.t('Sparring made a mistake while doing "{0}". The log says more.', during),
    open,
  );
  if (chosen === open) log.show();
}
