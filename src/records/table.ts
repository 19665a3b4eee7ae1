import { type Comparison, compareRun, verdict } from './compare';
import type { Rate } from './record';
import type { RunView } from './runView';

/** `0.844 [0.682, 0.931]`: a rate with its 95 % interval. */
export function rateText(rate: Rate | undefined): string {
  if (!rate) return '-';
  if (rate.n === 0) return 'no examples';
  return `${rate.value.toFixed(3)} [${rate.low.toFixed(3)}, ${rate.high.toFixed(3)}]`;
}

const countText = (rate: Rate | undefined): string => (rate ? String(rate.n) : '-');

/** Lines of a fixed width. */
function layout(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The comparisons as rows of text: metric, before, n, after, n, and what it shows. */
export function comparisonRows(comparisons: readonly Comparison[]): string[][] {
  return comparisons.map((it) => [
    it.label,
    rateText(it.before),
    countText(it.before),
    rateText(it.after),
    countText(it.after),
    it.before && it.after ? verdict(it) : '',
  ]);
}

export const COMPARISON_HEAD = ['', 'before', 'n', 'after', 'n', 'difference'] as const;

/**
 * The table before / after for a terminal: each metric with its 95 % interval and n. `verdicts` adds what the paired test shows. Says so when nothing has
 * been measured.
 */
export function ratesTable(view: Pick<RunView, 'rates' | 'samples'>, { verdicts = true } = {}): string {
  const rows = comparisonRows(compareRun(view));
  if (rows.length === 0) return 'Nothing has been measured.';
  const width = verdicts ? 6 : 5;
  return layout([COMPARISON_HEAD, ...rows].map((row) => row.slice(0, width)));
}
