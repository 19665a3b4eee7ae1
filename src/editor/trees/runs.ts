import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { describeRun, iconOf, runTime } from '../describeRun';
import type { KnownRun, Runs } from '../runs';

type Node = { experiment: string } | { folder: string };

/** What menus ask for: `run live`, `run resumable`, `run finished`. */
function contextOf({ view, live }: KnownRun): string {
  if (live) return 'run live';
  return view.status === 'finished' ? 'run finished' : 'run resumable';
}

function runItem(run: KnownRun): vscode.TreeItem {
  const item = new vscode.TreeItem(runTime(run.runId));
  item.id = run.folder;
  item.description = describeRun(run);
  item.accessibilityInformation = { label: `${item.label}, ${item.description}` };
  item.iconPath = iconOf(run);
  item.contextValue = contextOf(run);
  item.tooltip = run.folder;
  item.command = { command: 'sparring.openMonitor', title: vscode.l10n.t('Open Monitor'), arguments: [run.folder] };
  return item;
}

/** The workspace's runs, newest first, under their experiments. */
export function runsTree(runs: Runs): Scope {
  const scope = new Scope();
  const changed = scope.own(new vscode.EventEmitter<void>());
  let due: NodeJS.Timeout | undefined;
  // Records come many times a second; the tree is for reading.
  scope.own(
    runs.onChange(() => {
      due ??= setTimeout(() => {
        due = undefined;
        changed.fire();
      }, 500);
    }),
  );
  scope.own(() => clearTimeout(due));
  const provider: vscode.TreeDataProvider<Node> = {
    onDidChangeTreeData: changed.event,
    getChildren(node) {
      const all = runs.list();
      if (!node) return [...new Set(all.map((it) => it.experiment))].map((experiment) => ({ experiment }));
      if ('folder' in node) return [];
      return all.filter((it) => it.experiment === node.experiment).map(({ folder }) => ({ folder }));
    },
    getTreeItem(node) {
      if ('folder' in node) {
        const run = runs.get(node.folder);
        return run ? runItem(run) : new vscode.TreeItem(node.folder);
      }
      const item = new vscode.TreeItem(node.experiment, vscode.TreeItemCollapsibleState.Expanded);
      item.id = node.experiment;
      item.contextValue = 'runsOfExperiment';
      return item;
    },
  };
  scope.own(vscode.window.registerTreeDataProvider('sparring.runs', provider));
  return scope;
}
