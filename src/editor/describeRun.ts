import * as vscode from 'vscode';
import type { Rate, Rates } from '../records/record';
import type { KnownRun } from './runs';

/** `20261124-183005-seed7` -> `Nov 24, 18:30:05`, in the reader's time zone; other ids as they are. */
export function runTime(runId: string): string {
  const found = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(-.*)?$/.exec(runId);
  if (!found) return runId;
  const [, year, month, day, hour, minute, second] = found;
  const utc = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const date = utc.toLocaleDateString(vscode.env.language, { month: 'short', day: 'numeric' });
  return `${date}, ${utc.toLocaleTimeString(vscode.env.language, { hour12: false })}`;
}

/** Attack success at the largest epsilon, the number people ask for first. */
export function hardest(rates: Rates): Rate | undefined {
  const all = Object.values(rates.attackSuccess).flatMap((it) => Object.entries(it));
  return all.sort(([a], [b]) => Number(b) - Number(a))[0]?.[1];
}

/** The run's state in a few words. */
export function describeRun({ view, live }: KnownRun): string {
  switch (view.status) {
    case 'finished': {
      const [before, after] = [hardest(view.rates.before), hardest(view.rates.after)];
      const percent = (rate: Rate) => `${Math.round(rate.value * 100)} %`;
      return before && after
        ? vscode.l10n.t('finished, attack success {0} → {1}', percent(before), percent(after))
        : vscode.l10n.t('finished');
    }
    case 'failed':
      return live ? vscode.l10n.t('resuming') : vscode.l10n.t('failed at step {0}', view.step);
    case 'stopped':
      return live ? vscode.l10n.t('resuming') : vscode.l10n.t('stopped at step {0} of {1}', view.step, view.steps);
    case 'running':
      return live
        ? vscode.l10n.t('step {0} of {1}', view.step, view.steps)
        : vscode.l10n.t('interrupted at step {0} of {1}', view.step, view.steps);
    case 'waiting':
      return live ? vscode.l10n.t('starting') : vscode.l10n.t('did not start');
  }
}

/** Seconds of training still to come, when the speed is known. */
export function secondsLeft({ view }: KnownRun): number | undefined {
  return view.secondsPerStep === undefined ? undefined : (view.steps - view.step) * view.secondsPerStep;
}

export function iconOf({ view, live }: KnownRun): vscode.ThemeIcon {
  if (live) return new vscode.ThemeIcon('sync~spin');
  switch (view.status) {
    case 'finished':
      return new vscode.ThemeIcon('pass', new vscode.ThemeColor('testing.iconPassed'));
    case 'failed':
      return new vscode.ThemeIcon('error', new vscode.ThemeColor('testing.iconFailed'));
    case 'stopped':
      return new vscode.ThemeIcon('stop-circle');
    case 'running':
      return new vscode.ThemeIcon('debug-pause');
    case 'waiting':
      return new vscode.ThemeIcon('circle-outline');
  }
}
