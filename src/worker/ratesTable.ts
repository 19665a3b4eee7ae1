import { RATE_METRICS, type Rate, type RateMetric, type Rates } from '../records/record';

const NAMES: { readonly [metric in RateMetric]: string } = {
  leak: 'leaks with no attack',
  refusal: 'refuses trained wordings',
  refusalHeldOut: 'refuses held-out wordings',
  refusalHarmless: 'refuses harmless questions',
  utility: 'utility',
  stillKnows: 'still knows',
};

const shown = (rate: Rate | undefined): string =>
  rate ? `${rate.value.toFixed(3)} [${rate.low.toFixed(3)}, ${rate.high.toFixed(3)}]` : '-';

/** The rates before and after a training, with their 95 % intervals, as lines of a fixed width. */
export function ratesTable({ before, after }: { before: Rates; after: Rates }): string {
  const rows: [string, string, string, string][] = [];
  const add = (name: string, a: Rate | undefined, b: Rate | undefined) => {
    if (a || b) rows.push([name, shown(a), shown(b), String((b ?? a)?.n)]);
  };
  const attacks = new Set([...Object.keys(before.attackSuccess), ...Object.keys(after.attackSuccess)]);
  for (const attack of attacks) {
    const [a, b] = [before.attackSuccess[attack] ?? {}, after.attackSuccess[attack] ?? {}];
    const epsilons = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort((x, y) => Number(x) - Number(y));
    for (const epsilon of epsilons) add(`attack success, ${attack} ${epsilon}`, a[epsilon], b[epsilon]);
  }
  for (const metric of RATE_METRICS) add(NAMES[metric], before[metric], after[metric]);
  const all: readonly (readonly string[])[] = [['', 'before', 'after', 'n'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
