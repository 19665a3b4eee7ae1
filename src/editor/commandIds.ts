import type { Uri } from 'vscode';

/** An experiment, as menus, lenses and other code name it; nothing: the active one, or ask. */
export type ExperimentRef = Uri | { uri: Uri } | undefined;
/** A run by its folder; nothing: ask. */
export type RunRef = string | { folder: string } | undefined;

/** Every command with its arguments. A test compares this with the manifest. */
export interface Commands {
  'sparring.newExperiment': [];
  'sparring.startTraining': [ExperimentRef?];
  'sparring.stop': [RunRef?];
  'sparring.resume': [RunRef?];
  'sparring.openMonitor': [RunRef?];
  'sparring.showReport': [RunRef?];
  'sparring.showLog': [RunRef?];
  'sparring.copyCommand': [ExperimentRef?];
  'sparring.downloadModel': [string?];
  'sparring.setUpEngine': [];
  'sparring.engineReport': [];
  'sparring.copyDiagnostics': [];
}
export type CommandId = keyof Commands;

/** Whether a command starts or speaks to a worker, which an untrusted workspace may not. */
export const NEEDS_TRUST: { readonly [K in CommandId]: boolean } = {
  'sparring.newExperiment': false,
  'sparring.startTraining': true,
  'sparring.stop': true,
  'sparring.resume': true,
  'sparring.openMonitor': false,
  'sparring.showReport': false,
  'sparring.showLog': false,
  'sparring.copyCommand': false,
  'sparring.downloadModel': true,
  'sparring.setUpEngine': true,
  'sparring.engineReport': true,
  'sparring.copyDiagnostics': false,
};
