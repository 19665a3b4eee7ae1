import * as vscode from 'vscode';
import type { Scope } from '../base/scope';
import { type CommandId, type Commands, NEEDS_TRUST } from './commandIds';
import { log, report } from './log';

export type Handlers = { [K in CommandId]: (...args: Commands[K]) => unknown };

/** Refused here too, not only in menus: a lens or another extension can call any command. */
async function askForTrust(): Promise<void> {
  const manage = vscode.l10n.t('Manage Workspace Trust');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t('Sparring starts no worker in a folder that you do not trust.'),
    manage,
  );
  if (chosen === manage) await vscode.commands.executeCommand('workbench.trust.manage');
}

/** Registers every command through one function that checks trust, logs, times and reports. */
export function registerCommands(scope: Scope, handlers: Handlers): void {
  for (const id of Object.keys(handlers) as CommandId[]) {
    const handler = handlers[id] as (...args: unknown[]) => unknown;
    scope.own(
      vscode.commands.registerCommand(id, async (...args: unknown[]) => {
        if (NEEDS_TRUST[id] && !vscode.workspace.isTrusted) return askForTrust();
        const began = Date.now();
        try {
          return await handler(...args);
        } catch (error) {
          await report(error, id);
        } finally {
          log.debug(`${id}: ${Date.now() - began} ms`);
        }
      }),
    );
  }
}

/** Calls one of our commands with checked arguments. */
export function execute<K extends CommandId>(id: K, ...args: Commands[K]): Thenable<unknown> {
  return vscode.commands.executeCommand(id, ...args);
}
