import * as vscode from 'vscode';

export interface Settings {
  /** '' leaves the choice to the experiment file. */
  engine: '' | 'auto' | 'native' | 'webgpu' | 'wasm';
  /** 0: as many as the machine has cores. */
  threads: number;
  /** Path of a Node to run workers with; '': the one VS Code runs on. */
  node: string;
  /** Folder in which TensorFlow's Node package is installed, for the native engine; '': the workspace's own. */
  nativePath: string;
  /** Folder that has the npm package webgpu; '': what was set up. */
  webgpuPath: string;
}

/** The machine's settings. None can be set by a workspace: see `scope` in package.json. */
export function readSettings(): Settings {
  const settings = vscode.workspace.getConfiguration('sparring');
  return {
    engine: settings.get<Settings['engine']>('engine', ''),
    threads: settings.get<number>('threads', 0),
    node: settings.get<string>('node', '').trim(),
    nativePath: settings.get<string>('nativePath', '').trim(),
    webgpuPath: settings.get<string>('webgpuPath', '').trim(),
  };
}
