import * as vscode from 'vscode';
import { experimentName } from '../experiment/resolve';
import type { ExperimentRef } from './commandIds';
import { log } from './log';

export const EXPERIMENT_GLOB = '**/*.sparring.{yaml,yml,json}';
const NAME = /\.sparring\.(yaml|yml|json)$/;

/** For language features, on every scheme: they need no file system. */
export const EXPERIMENT_SELECTOR: vscode.DocumentSelector = { pattern: EXPERIMENT_GLOB };

export const isExperimentName = (path: string): boolean => NAME.test(path);

/** The experiment files of the workspace, by path. */
export async function findExperiments(): Promise<vscode.Uri[]> {
  let files: vscode.Uri[];
  try {
    files = await vscode.workspace.findFiles(EXPERIMENT_GLOB, '**/{node_modules,runs}/**', 500);
  } catch (error) {
    // VS Code's search is broken or shut off: what is open is better than nothing, and everything else works on.
    log.warn(`searching for experiment files: ${error instanceof Error ? error.message : String(error)}`);
    files = vscode.workspace.textDocuments.map((it) => it.uri).filter((uri) => isExperimentName(uri.path));
  }
  return files.sort((a, b) => a.path.localeCompare(b.path));
}

/** The experiment that is meant: the one named, else the active editor's, else the only one, else the user's pick; undefined when there is none. */
export async function chooseExperiment(ref: ExperimentRef, title: string): Promise<vscode.Uri | 'none' | undefined> {
  if (ref) return 'uri' in ref ? ref.uri : ref;
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active && isExperimentName(active.path)) return active;
  const files = await findExperiments();
  if (files.length === 0) return 'none';
  if (files.length === 1) return files[0];
  const items = files.map((uri) => ({
    label: experimentName(uri.path),
    description: vscode.workspace.asRelativePath(uri),
    uri,
  }));
  return (await vscode.window.showQuickPick(items, { title, matchOnDescription: true }))?.uri;
}
