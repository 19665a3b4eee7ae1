import * as vscode from 'vscode';
import { Scope } from '../base/scope';
import { secondsLeft } from './describeRun';
import type { KnownRun, Runs } from './runs';

function minutes(seconds: number): string {
  return seconds < 90
    ? vscode.l10n.t('{0} s', Math.round(seconds))
    : seconds < 5400
      ? vscode.l10n.t('{0} min', Math.round(seconds / 60))
      : vscode.l10n.t('{0} h', (seconds / 3600).toFixed(1));
}

function textOf(run: KnownRun): string {
  const { view } = run;
  if (view.steps === 0) return vscode.l10n.t('Sparring: starting');
  const now = view.activity;
  if (now && now.phase !== 'training') return vscode.l10n.t('Sparring: evaluating {0}/{1}', now.done, now.total);
  const left = secondsLeft(run);
  return left === undefined
    ? vscode.l10n.t('Sparring: step {0}/{1}', view.step, view.steps)
    : vscode.l10n.t('Sparring: step {0}/{1}, {2} left', view.step, view.steps, minutes(left));
}

/** One item, only while a run lives; a click opens its monitor. */
export function statusItem(runs: Runs): Scope {
  const scope = new Scope();
  const item = scope.own(vscode.window.createStatusBarItem('sparring.run', vscode.StatusBarAlignment.Left, 10));
  item.name = vscode.l10n.t('Sparring run');
  const draw = () => {
    const live = runs.list().filter((it) => it.live);
    const run = live[0];
    if (!run) return item.hide();
    const others = live.length > 1 ? ` (+${live.length - 1})` : '';
    item.text = `$(sync~spin) ${textOf(run)}${others}`;
    item.tooltip = vscode.l10n.t('{0}: open the monitor', run.experiment);
    item.accessibilityInformation = { label: `${textOf(run)}${others}`, role: 'button' };
    item.command = { command: 'sparring.openMonitor', title: '', arguments: [run.folder] };
    item.show();
  };
  scope.own(runs.onChange(draw));
  draw();
  return scope;
}
