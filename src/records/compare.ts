import { mcNemar } from '../base/statistics';
import { attackMetric, describeMetric } from './metrics';
import { RATE_METRICS, type Rate, type Rates } from './record';
import type { RunView, SampleView } from './runView';

/** The same examples judged before and after training. */
export interface Paired {
  n: number;
  /** Not counted before, counted after. */
  gained: number;
  /** Counted before, not after. */
  lost: number;
  /** McNemar's exact two-sided test. */
  p: number;
}

export interface Comparison {
  /** A RateMetric, or `attack@epsilon`. */
  metric: string;
  label: string;
  better: 'lower' | 'higher';
  before?: Rate;
  after?: Rate;
  /** Absent where no example was judged in both phases. */
  paired?: Paired;
}

/** A difference counts as shown below this. */
export const SIGNIFICANT = 0.05;

/** Metrics measured before or after: attacks first, by name and radius, then the rates in their fixed order. */
export function measuredMetrics({ before, after }: { before: Rates; after: Rates }): string[] {
  const attacks = new Map<string, [string, number]>();
  for (const { attackSuccess } of [before, after])
    for (const [attack, byEpsilon] of Object.entries(attackSuccess))
      for (const epsilon of Object.keys(byEpsilon))
        attacks.set(attackMetric(attack, epsilon), [attack, Number(epsilon)]);
  const sorted = [...attacks].sort(([, a], [, b]) => a[0].localeCompare(b[0]) || a[1] - b[1]).map(([metric]) => metric);
  return [...sorted, ...RATE_METRICS.filter((metric) => before[metric] || after[metric])];
}

/** The rate of a metric in one phase. */
export function rateOf(rates: Rates, metric: string): Rate | undefined {
  const known = RATE_METRICS.find((it) => it === metric);
  if (known) return rates[known];
  const [attack = '', epsilon = ''] = metric.split('@');
  return rates.attackSuccess[attack]?.[epsilon];
}

function pair(before: ReadonlyMap<string, boolean>, after: ReadonlyMap<string, boolean>): Paired | undefined {
  let n = 0;
  let gained = 0;
  let lost = 0;
  for (const [example, counted] of after) {
    const was = before.get(example);
    if (was === undefined) continue;
    n++;
    if (counted && !was) gained++;
    if (!counted && was) lost++;
  }
  return n === 0 ? undefined : { n, gained, lost, p: mcNemar(gained, lost) };
}

function byMetric(samples: readonly SampleView[], phase: 'before' | 'after'): Map<string, Map<string, boolean>> {
  const found = new Map<string, Map<string, boolean>>();
  for (const sample of samples) {
    if (sample.phase !== phase) continue;
    let examples = found.get(sample.metric);
    if (!examples) {
      examples = new Map();
      found.set(sample.metric, examples);
    }
    examples.set(sample.example, sample.counted);
  }
  return found;
}

/** Every measured metric before and after training, with the paired test where the same examples were judged. */
export function compareRun(view: Pick<RunView, 'rates' | 'samples'>): Comparison[] {
  const { before, after } = view.rates;
  const old = byMetric(view.samples, 'before');
  const now = byMetric(view.samples, 'after');
  return measuredMetrics(view.rates).map((metric) => ({
    metric,
    ...describeMetric(metric),
    before: rateOf(before, metric),
    after: rateOf(after, metric),
    paired: pair(old.get(metric) ?? new Map(), now.get(metric) ?? new Map()),
  }));
}

/** p as reports write it. */
export const pText = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`);

/** What a comparison shows, as a sentence without its subject: `lower, which is better (27 of 32 examples changed, p < 0.001)`. */
export function verdict({ before, after, better, paired }: Comparison): string {
  if (!after) return 'not measured after training';
  if (!before) return 'not measured before training';
  const fell = after.value < before.value;
  const direction = `${fell ? 'lower' : 'higher'}, which is ${fell === (better === 'lower') ? 'better' : 'worse'}`;
  if (paired) {
    const { n, gained, lost, p } = paired;
    if (gained + lost === 0) return `no difference shown (none of ${n} examples changed)`;
    const changed = `${gained + lost} of ${n} examples changed, ${pText(p)}`;
    return p < SIGNIFICANT ? `${direction} (${changed})` : `no difference shown (${changed})`;
  }
  const overlap = before.low <= after.high && after.low <= before.high;
  return overlap ? 'no difference shown (the intervals overlap)' : `${direction} (the intervals do not overlap)`;
}
