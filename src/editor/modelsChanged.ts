import * as vscode from 'vscode';

/** Fired when a model came to this machine: what was missing before may be there now. */
export const modelsChanged = new vscode.EventEmitter<void>();
