import { resolve } from 'node:path';
import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { describeRun } from '../describeRun';
import { EXPERIMENT_SELECTOR } from '../experimentFile';
import type { Runs } from '../runs';

/** Above an experiment: start it, look at its newest run, take the command along. */
export function lens(runs: Runs): Scope {
  const scope = new Scope();
  const changed = scope.own(new vscode.EventEmitter<void>());
  scope.own(vscode.workspace.onDidGrantWorkspaceTrust(() => changed.fire()));
  let last = '';
  scope.own(
    runs.onChange(() => {
      // Only a new run or a new state moves the text above the file, not every step.
      const now = runs
        .list()
        .map((it) => `${it.folder} ${it.view.status} ${it.live}`)
        .join();
      if (now === last) return;
      last = now;
      changed.fire();
    }),
  );
  scope.own(
    vscode.languages.registerCodeLensProvider(EXPERIMENT_SELECTOR, {
      onDidChangeCodeLenses: changed.event,
      provideCodeLenses(document) {
        const { uri } = document;
        const top = new vscode.Range(0, 0, 0, 0);
        const all: vscode.CodeLens[] = [];
        if (vscode.workspace.isTrusted && uri.scheme === 'file')
          all.push(
            new vscode.CodeLens(top, {
              title: `$(play) ${vscode.l10n.t('Start Training')}`,
              command: 'sparring.startTraining',
              arguments: [uri],
            }),
          );
        const run = runs.list().find((it) => {
          const file = it.view.started?.file;
          return file !== undefined && resolve(it.folder, file) === uri.fsPath;
        });
        if (run)
          all.push(
            new vscode.CodeLens(top, {
              title: `$(graph-line) ${vscode.l10n.t('Newest run: {0}', describeRun(run))}`,
              command: 'sparring.openMonitor',
              arguments: [run.folder],
            }),
          );
        all.push(
          new vscode.CodeLens(top, {
            title: vscode.l10n.t('Copy as Command'),
            command: 'sparring.copyCommand',
            arguments: [uri],
          }),
        );
        return all;
      },
    }),
  );
  return scope;
}
