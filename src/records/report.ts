import { compareRun } from './compare';
import { HOW_TO_READ, runFacts, settingRows, statusText } from './runFacts';
import type { RunConfig } from './runFolder';
import type { RunView } from './runView';
import { COMPARISON_HEAD, comparisonRows } from './table';

/** A cell of a Markdown table: no pipes, no line breaks, no markup out of the data. */
const cell = (text: string): string => text.replaceAll(/[\\|`*_<>[\]]/g, '\\$&').replaceAll(/\s+/g, ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...rows.map(line)];
}

/** report.md of a run, in whatever state. Holds numbers and settings only: no prompt, no output. */
export function reportMarkdown(view: RunView, config?: RunConfig): string {
  const { started, problems } = view;
  const lines = [
    `# ${cell(started?.experiment ?? 'Run')}: ${cell(started?.method ?? 'not started')}`,
    '',
    statusText(view),
    '',
  ];
  const comparisons = compareRun(view);
  if (comparisons.length > 0)
    lines.push('## Before and after', '', ...table(COMPARISON_HEAD, comparisonRows(comparisons)), '', HOW_TO_READ, '');
  else lines.push('Nothing has been measured.', '');
  if (view.attackSuccess.length > 0) {
    const points = view.attackSuccess.map(({ step, attack, epsilon, rate }) => [
      String(step),
      attack,
      String(epsilon),
      rate.value.toFixed(3),
      `${rate.low.toFixed(3)} to ${rate.high.toFixed(3)}`,
      String(rate.n),
    ]);
    lines.push(
      '## Attack success over training',
      '',
      ...table(['step', 'attack', 'epsilon', 'success', '95 % interval', 'n'], points),
      '',
    );
  }
  const last = view.history[view.history.length - 1];
  const first = view.history[0];
  if (first && last) {
    const names = [...new Set(view.history.flatMap((it) => Object.keys(it.losses)))] as (keyof typeof last.losses)[];
    const rows = names.map((name) => {
      const seen = view.history.flatMap((it) => it.losses[name] ?? []);
      return [name, seen[0]?.toFixed(4) ?? '-', seen[seen.length - 1]?.toFixed(4) ?? '-'];
    });
    lines.push('## Losses', '', ...table(['loss', 'first', 'last'], rows), '');
  }
  if (problems.length > 0)
    lines.push('## Problems', '', ...problems.map((it) => `- ${it.severity}: ${cell(it.message)}`), '');
  lines.push('## Run', '', ...table(['', ''], runFacts(view)), '');
  const settings = settingRows(config);
  if (settings.length > 0) lines.push('## Settings', '', ...table(['setting', 'value'], settings), '');
  return lines.join('\n');
}
