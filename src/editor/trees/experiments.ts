import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { experimentName } from '../../experiment/resolve';
import { EXPERIMENT_GLOB, findExperiments } from '../experimentFile';

interface ExperimentNode {
  uri: vscode.Uri;
}

/** The workspace's experiment files. */
export function experimentsTree(): Scope {
  const scope = new Scope();
  const changed = scope.own(new vscode.EventEmitter<void>());
  const watcher = scope.own(vscode.workspace.createFileSystemWatcher(EXPERIMENT_GLOB, false, true, false));
  scope.own(watcher.onDidCreate(() => changed.fire()));
  scope.own(watcher.onDidDelete(() => changed.fire()));
  const provider: vscode.TreeDataProvider<ExperimentNode> = {
    onDidChangeTreeData: changed.event,
    getChildren: async (node) => (node ? [] : (await findExperiments()).map((uri) => ({ uri }))),
    getTreeItem({ uri }) {
      const item = new vscode.TreeItem(experimentName(uri.path));
      item.resourceUri = uri;
      item.iconPath = new vscode.ThemeIcon('beaker');
      item.description = vscode.workspace.asRelativePath(vscode.Uri.joinPath(uri, '..')).replace(uri.path, '');
      if (vscode.workspace.getWorkspaceFolder(uri)?.uri.path === vscode.Uri.joinPath(uri, '..').path)
        item.description = undefined;
      item.tooltip = uri.fsPath;
      item.contextValue = 'experiment';
      item.command = { command: 'vscode.open', title: vscode.l10n.t('Open'), arguments: [uri] };
      return item;
    },
  };
  scope.own(vscode.window.registerTreeDataProvider('sparring.experiments', provider));
  return scope;
}
