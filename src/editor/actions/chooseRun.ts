import * as vscode from 'vscode';
import { Cancelled, Problem } from '../../base/problem';
import type { RunRef } from '../commandIds';
import { describeRun, runTime } from '../describeRun';
import type { KnownRun, Runs } from '../runs';

/** The run that is meant: the one named, else the only one that fits, else the user's pick. */
export async function chooseRun(
  runs: Runs,
  ref: RunRef,
  { title, fits, none }: { title: string; fits: (run: KnownRun) => boolean; none: string },
): Promise<string> {
  if (ref) return typeof ref === 'string' ? ref : ref.folder;
  await runs.refresh();
  const candidates = runs.list().filter(fits);
  if (candidates.length === 0) throw new Problem('noRun', none);
  const only = candidates.length === 1 ? candidates[0] : undefined;
  if (only) return only.folder;
  const items = candidates.map((run) => ({
    label: run.experiment,
    description: runTime(run.runId),
    detail: describeRun(run),
    folder: run.folder,
  }));
  const chosen = await vscode.window.showQuickPick(items, { title, matchOnDescription: true, matchOnDetail: true });
  if (!chosen) throw new Cancelled();
  return chosen.folder;
}
