import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { parseExperiment } from '../../experiment/parse';
import { type FromMonitor, parseFromMonitor, type ToMonitor } from '../../protocol/panels';
import type { StepProgress } from '../../protocol/worker';
import { emptyView } from '../../records/fold';
import type { RunRecord } from '../../records/record';
import { followView, readTexts, runLabel } from '../../records/runFolder';
import type { RunView } from '../../records/runView';
import { execute } from '../commands';
import { log, report } from '../log';
import type { Runs } from '../runs';
import { workerStatus } from '../workerClient';
import { page, panelIcon, resourceRoots } from './page';
import { experimentFileOf, runContext } from './runContext';

const TYPE = 'sparring.monitor';
const ASK_EVERY = 1000;

/** Opens the monitors and brings them back after a reload. One panel per run; a panel has no state of its own that matters. */
export class Monitors {
  private readonly scope = new Scope();
  private readonly open = new Map<string, vscode.WebviewPanel>();

  constructor(
    private readonly extension: vscode.Uri,
    private readonly runs: Runs,
  ) {
    this.scope.own(
      vscode.window.registerWebviewPanelSerializer(TYPE, {
        deserializeWebviewPanel: async (panel, state: unknown) => this.restore(panel, state),
      }),
    );
  }

  show(folder: string): void {
    const known = this.open.get(folder);
    if (known) {
      known.reveal();
      return;
    }
    const panel = vscode.window.createWebviewPanel(TYPE, '', vscode.ViewColumn.Active);
    this.fill(panel, folder);
  }

  /** The state is empty when the page was reloaded instead of the window: then the newest run is the best guess. */
  private async restore(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    await this.runs.refresh();
    const folder = (state as { folder?: unknown } | undefined)?.folder;
    const newest = this.runs.list().find((run) => !this.open.has(run.folder))?.folder;
    const wanted = typeof folder === 'string' && existsSync(folder) ? folder : newest;
    if (wanted === undefined || this.open.has(wanted)) panel.dispose();
    else this.fill(panel, wanted);
  }

  private fill(panel: vscode.WebviewPanel, folder: string): void {
    const scope = new Scope();
    this.open.set(folder, panel);
    this.runs.add({ folder, experiment: basename(dirname(folder)), runId: basename(folder) });
    panel.title = vscode.l10n.t('Monitor: {0}', runLabel(folder).split('/')[0] ?? '');
    panel.iconPath = panelIcon(this.extension);
    panel.webview.options = { enableScripts: true, localResourceRoots: resourceRoots(this.extension) };
    scope.own(
      panel.onDidDispose(() => {
        this.open.delete(folder);
        scope.close();
      }),
    );
    scope.own(monitorHost(panel, folder, this.runs));
    panel.webview.html = page(panel.webview, this.extension, 'monitor', panel.title);
  }

  close(): void {
    this.scope.close();
    for (const panel of this.open.values()) panel.dispose();
  }
}

/** Feeds one monitor. Nothing depends on having heard every message: `ready` is answered by the whole view. */
function monitorHost(panel: vscode.WebviewPanel, folder: string, runs: Runs): Scope {
  const scope = new Scope();
  let view: RunView = emptyView;
  let listening = false;
  const isLive = () => runs.get(folder)?.live ?? false;
  const post = (message: ToMonitor<RunView, RunRecord>) => void panel.webview.postMessage(message);
  const postView = () => post({ t: 'view', view, context: runContext(folder, isLive()) });

  scope.own(
    followView(folder, (next, records) => {
      const began = records[0]?.kind === 'started' || view === emptyView;
      view = next;
      if (!listening) return;
      // config.json is written just before the first record: the context is new too.
      if (began) postView();
      else post({ t: 'records', records });
    }),
  );
  let wasLive = isLive();
  scope.own(
    runs.onChange(() => {
      if (isLive() === wasLive) return;
      wasLive = isLive();
      if (listening) post({ t: 'context', context: runContext(folder, wasLive) });
    }),
  );
  scope.own(
    followProgress(
      folder,
      () => listening && isLive(),
      (progress) => post({ t: 'progress', progress }),
    ),
  );
  scope.own(vscode.workspace.onDidGrantWorkspaceTrust(() => listening && postView()));
  scope.own(
    panel.webview.onDidReceiveMessage((raw: unknown) => {
      const message = parseFromMonitor(raw);
      if (!message) return log.warn('a monitor sent a message that is none of ours; it is ignored');
      if (message.t === 'ready') {
        listening = true;
        return existsSync(folder) ? postView() : post({ t: 'notFound', folder });
      }
      receive(message, folder, post).catch((error: unknown) => report(error, `monitor ${message.t}`));
    }),
  );
  scope.own(
    panel.onDidChangeViewState(() => {
      // A hidden page is thrown away and asks again when it is shown.
      if (!panel.visible) listening = false;
    }),
  );
  return scope;
}

/** Asks the worker where in a step it is, as long as somebody `watches`. */
function followProgress(
  folder: string,
  watches: () => boolean,
  tell: (progress: StepProgress | undefined) => void,
): () => void {
  let asking = false;
  const timer = setInterval(() => {
    if (asking || !watches()) return;
    asking = true;
    void workerStatus(folder).then((status) => {
      asking = false;
      tell(status?.progress);
    });
  }, ASK_EVERY);
  return () => clearInterval(timer);
}

async function receive(
  message: Exclude<FromMonitor, { t: 'ready' }>,
  folder: string,
  post: (message: ToMonitor<RunView, RunRecord>) => void,
): Promise<void> {
  switch (message.t) {
    case 'reveal':
      post({ t: 'texts', texts: await readTexts(folder, message.ids) });
      return;
    case 'stop':
      await execute('sparring.stop', folder);
      return;
    case 'resume':
      await execute('sparring.resume', folder);
      return;
    case 'report':
      await execute('sparring.showReport', folder);
      return;
    case 'log':
      await execute('sparring.showLog', folder);
      return;
    case 'open':
      await openAt(folder, message.at);
      return;
    default:
      message satisfies never;
  }
}

/** Opens the experiment file where a setting stands. */
async function openAt(folder: string, at: readonly (string | number)[]): Promise<void> {
  const file = experimentFileOf(folder);
  if (file === undefined) return;
  const range = parseExperiment(readFileSync(file, 'utf8'), file).rangeOf(at);
  const selection = new vscode.Range(range.line - 1, range.column - 1, range.endLine - 1, range.endColumn - 1);
  await vscode.window.showTextDocument(vscode.Uri.file(file), { selection, viewColumn: vscode.ViewColumn.Beside });
}
