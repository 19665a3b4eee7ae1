import * as vscode from 'vscode';
import { Scope } from '../base/scope';
import { emptyView } from '../records/fold';
import { followView, isRunFolder, listRuns, type RunEntry } from '../records/runFolder';
import type { RunView } from '../records/runView';
import { findExperiments } from './experimentFile';
import { isAlive, isListening, readAddress } from './workerClient';

/** A run as this window knows it. */
export interface KnownRun extends RunEntry {
  view: RunView;
  /** A worker is writing it now. */
  live: boolean;
}
interface Followed extends KnownRun {
  follow?: { close(): void };
  /** Of the last worker seen. */
  pid?: number;
  /** Seen alive in this window, so that its end is news. */
  wasLive: boolean;
}

const LOOK_EVERY = 2000;
// After its last record a worker needs a moment to go.
const SOON = 400;
const SETTLE_WITHIN = 10_000;
// Old runs are read once more when the list is refreshed; following each would cost a poll per run.
const FOLLOW_AT_MOST = 40;

/** Finds the workspace's run folders and follows them, whoever writes them. */
export class Runs {
  private readonly scope = new Scope();
  private readonly known = new Map<string, Followed>();
  /** Workers this window started that may not listen yet. */
  private readonly starting = new Set<string>();
  private readonly changed = this.scope.own(new vscode.EventEmitter<KnownRun | undefined>());
  private readonly ended = this.scope.own(new vscode.EventEmitter<KnownRun>());
  /** One run, or the list of them, changed. */
  readonly onChange = this.changed.event;
  /** A run that this window saw alive has ended, in whatever way. */
  readonly onEnd = this.ended.event;

  constructor() {
    const watcher = this.scope.own(vscode.workspace.createFileSystemWatcher('**/runs/*/*/{config.json,worker.json}'));
    this.scope.own(watcher.onDidCreate(() => this.refresh()));
    this.scope.own(watcher.onDidDelete(() => this.refresh()));
    const timer = setInterval(() => void this.look(), LOOK_EVERY);
    this.scope.own(() => clearInterval(timer));
    this.scope.own(() => {
      for (const run of this.known.values()) run.follow?.close();
    });
  }

  /** Newest first. */
  list(): KnownRun[] {
    return [...this.known.values()].sort((a, b) => b.runId.localeCompare(a.runId, 'en', { numeric: true }));
  }

  get(folder: string): KnownRun | undefined {
    return this.known.get(folder);
  }

  /** Looks for run folders beside the workspace's experiment files and at its roots. */
  async refresh(): Promise<void> {
    const files = await findExperiments();
    const folders = new Set(
      (vscode.workspace.workspaceFolders ?? [])
        .map((it) => it.uri)
        .filter(isLocal)
        .map((it) => it.fsPath),
    );
    for (const file of files) if (isLocal(file)) folders.add(vscode.Uri.joinPath(file, '..').fsPath);
    const found = new Map([...folders].flatMap((it) => listRuns(it)).map((entry) => [entry.folder, entry]));
    for (const [folder, run] of this.known)
      if (!found.has(folder) && !this.starting.has(folder) && !isRunFolder(folder)) {
        run.follow?.close();
        this.known.delete(folder);
      }
    for (const entry of found.values()) this.add(entry);
    this.changed.fire(undefined);
    await this.look();
  }

  /** A worker was just started for this run by this window. */
  started(entry: RunEntry, ended: Promise<void>): void {
    this.starting.add(entry.folder);
    this.add(entry);
    void ended.then(async () => {
      this.starting.delete(entry.folder);
      await this.look();
    });
    void this.look();
    this.changed.fire(undefined);
  }

  /** Waits until the last worker of a run is gone: between its last record and its end it still holds the folder. */
  async settled(folder: string): Promise<void> {
    const pid = this.known.get(folder)?.pid;
    for (let waited = 0; pid !== undefined && isAlive(pid) && waited < SETTLE_WITHIN; waited += 100)
      await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** Follows a run wherever it lies, e.g. one whose monitor is open. */
  add(entry: RunEntry): void {
    if (this.known.has(entry.folder)) return;
    const run: Followed = { ...entry, view: emptyView, live: false, wasLive: false };
    this.known.set(entry.folder, run);
    run.follow = followView(entry.folder, (view) => {
      const ends = run.live && view.status !== run.view.status && view.status !== 'running';
      run.view = view;
      if (ends) setTimeout(() => void this.look(), SOON);
      this.changed.fire(run);
      const following = [...this.known.values()].filter((it) => it.follow);
      if (view.status === 'finished' || (following.length > FOLLOW_AT_MOST && !run.live)) this.unfollow(run);
    });
  }

  private unfollow(run: Followed): void {
    // Not within its own callback: a whole file may come in several batches.
    setTimeout(() => {
      run.follow?.close();
      run.follow = undefined;
    }, LOOK_EVERY);
  }

  /** Which runs have a living worker. */
  private async look(): Promise<void> {
    for (const run of [...this.known.values()]) {
      if (run.view.status === 'finished' && !run.live) continue;
      run.pid = readAddress(run.folder)?.pid ?? run.pid;
      const live = this.starting.has(run.folder) || (await isListening(run.folder));
      if (live === run.live) continue;
      run.live = live;
      this.changed.fire(run);
      if (live) run.wasLive = true;
      else if (run.wasLive) this.tellEnd(run);
    }
  }

  private tellEnd(run: Followed): void {
    run.wasLive = false;
    // The last records may still be on their way from the file.
    setTimeout(() => {
      // Resumed at once: it has not ended after all.
      if (!run.live) this.ended.fire(run);
    }, 1500);
  }

  close(): void {
    this.scope.close();
  }
}

const isLocal = (uri: vscode.Uri): boolean => uri.scheme === 'file';
