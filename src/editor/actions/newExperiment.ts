import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { Cancelled, Problem } from '../../base/problem';
import { parseExperiment } from '../../experiment/parse';
import { isExperimentName } from '../experimentFile';

interface Template extends vscode.QuickPickItem {
  file: string;
}

const METHODS: { readonly [name: string]: () => { label: string; detail: string } } = {
  cat: () => ({
    label: vscode.l10n.t('CAT: continuous adversarial training'),
    detail: vscode.l10n.t('Every step attacks the model, then trains it to refuse all the same'),
  }),
  capo: () => ({
    label: vscode.l10n.t('CAPO: continuous adversarial preference optimisation'),
    detail: vscode.l10n.t('Under attack, the refusal is to become likelier than the harmful answer'),
  }),
  sft: () => ({
    label: vscode.l10n.t('Control: the same data without the attack'),
    detail: vscode.l10n.t('Shows that it is the attack in training that makes the model robust'),
  }),
};
const ORDER = Object.keys(METHODS);

/** The experiments that ship with Sparring: all run on the Keeper, in minutes, on any machine. */
function templates(folder: string): (Template & { method: string })[] {
  return readdirSync(folder)
    .filter(isExperimentName)
    .map((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      const { method } = (parseExperiment(text, file).value ?? {}) as { method?: string | { name?: string } };
      const name = (typeof method === 'string' ? method : method?.name) ?? '';
      return { file, method: name, description: file, ...(METHODS[name]?.() ?? { label: file }) };
    })
    .sort((a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method) || a.file.localeCompare(b.file));
}

async function targetFolder(): Promise<vscode.Uri> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const first = folders[0];
  if (!first)
    throw new Problem('noFolder', vscode.l10n.t('Open a folder first: the experiment file is written into it.'));
  if (folders.length === 1) return first.uri;
  const chosen = await vscode.window.showWorkspaceFolderPick();
  if (!chosen) throw new Cancelled();
  return chosen.uri;
}

async function freeName(folder: vscode.Uri, file: string): Promise<vscode.Uri> {
  for (let n = 1; ; n++) {
    const uri = vscode.Uri.joinPath(folder, n === 1 ? file : file.replace('.sparring.', `-${n}.sparring.`));
    const exists = await vscode.workspace.fs.stat(uri).then(
      () => true,
      () => false,
    );
    if (!exists) return uri;
  }
}

/** Copies one of the shipped experiments into the workspace and opens it. */
export async function newExperiment(extensionFolder: string): Promise<void> {
  const examples = join(extensionFolder, 'media', 'examples');
  const folder = await targetFolder();
  const chosen = await vscode.window.showQuickPick(templates(examples), {
    title: vscode.l10n.t('New Experiment'),
    placeHolder: vscode.l10n.t('Each trains the Keeper, the small model that ships with Sparring'),
  });
  if (!chosen) throw new Cancelled();
  const uri = await freeName(folder, chosen.file);
  await vscode.workspace.fs.copy(vscode.Uri.file(join(examples, chosen.file)), uri);
  await vscode.window.showTextDocument(uri);
}
