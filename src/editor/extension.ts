import * as vscode from 'vscode';
import { setPackageRoot } from '../base/packageRoot';
import { Scope } from '../base/scope';
import { copyDiagnostics, engineReport } from './actions/diagnostics';
import { downloadModel } from './actions/downloadModel';
import { newExperiment } from './actions/newExperiment';
import { anyRun, copyCommand, finishedRun, resumableRun, showLog, stopRun, tellEnd } from './actions/runActions';
import { setUpEngine } from './actions/setUpEngine';
import { type Launcher, resumeRun, startTraining } from './actions/startTraining';
import { registerCommands } from './commands';
import { complete } from './language/complete';
import { diagnose } from './language/diagnose';
import { hover } from './language/hover';
import { lens } from './language/lens';
import { log, report } from './log';
import { modelsChanged } from './modelsChanged';
import { Monitors } from './panels/monitor';
import { showReport } from './panels/report';
import { Runs } from './runs';
import { statusItem } from './status';
import { experimentsTree } from './trees/experiments';
import { runsTree } from './trees/runs';

const scope = new Scope();

export function activate(context: vscode.ExtensionContext): void {
  const { extensionPath, extensionUri } = context;
  const version = String((context.extension.packageJSON as { version?: unknown }).version);
  setPackageRoot(extensionPath);
  scope.own(log);
  scope.own(modelsChanged);
  const closing = new AbortController();
  scope.own(() => closing.abort());
  const runs = scope.own(new Runs());
  const engines = scope.own(vscode.window.createOutputChannel('Sparring Engines'));
  const launcher: Launcher = { extensionFolder: extensionPath, runs, engines };
  const monitors = scope.own(new Monitors(extensionUri, runs));
  for (const part of [diagnose(), complete(), hover(), lens(runs), statusItem(runs), experimentsTree(), runsTree(runs)])
    scope.own(part);
  scope.own(runs.onEnd((run) => void tellEnd(run)));

  registerCommands(scope, {
    'sparring.newExperiment': () => newExperiment(extensionPath),
    'sparring.startTraining': async (ref) => monitors.show(await startTraining(launcher, ref)),
    'sparring.stop': (ref) => stopRun(runs, ref),
    'sparring.resume': async (ref) => {
      const folder = await resumableRun(runs, ref);
      await resumeRun(launcher, folder);
      monitors.show(folder);
    },
    'sparring.openMonitor': async (ref) => monitors.show(await anyRun(runs, ref)),
    'sparring.showReport': async (ref) => showReport(await finishedRun(runs, ref)),
    'sparring.showLog': (ref) => showLog(runs, ref),
    'sparring.copyCommand': (ref) => copyCommand(ref),
    'sparring.downloadModel': (id) => downloadModel(launcher, id, closing.signal),
    'sparring.setUpEngine': () => setUpEngine(launcher, closing.signal),
    'sparring.engineReport': () => engineReport(launcher),
    'sparring.copyDiagnostics': () => copyDiagnostics(launcher, version),
  });
  runs.refresh().catch((error: unknown) => report(error, 'looking for runs'));
  log.info(`Sparring ${version} is active`);
}

export function deactivate(): void {
  scope.close();
}
