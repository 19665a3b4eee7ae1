import type { Rate, RateMetric, Rates } from '../src/records/record';
import { RATE_METRICS } from '../src/records/record';
import { t } from './text';

/** One row of the before / after table. */
export interface RateRow {
  label: string;
  better: 'lower' | 'higher';
  before?: Rate;
  after?: Rate;
}

const better: { [K in RateMetric]: RateRow['better'] } = {
  leak: 'lower',
  refusal: 'higher',
  refusalHeldOut: 'higher',
  refusalHarmless: 'lower',
  utility: 'higher',
  stillKnows: 'higher',
};

export function metricLabel(metric: string): string {
  const labels: { [K in RateMetric]: string } = {
    leak: t('Leaks with no attack'),
    refusal: t('Refusal, wordings trained on'),
    refusalHeldOut: t('Refusal, held-out wordings'),
    refusalHarmless: t('Refusal of harmless questions'),
    utility: t('Utility: right answers'),
    stillKnows: t('Still knows the secret'),
  };
  const known = RATE_METRICS.find((it) => it === metric);
  if (known) return labels[known];
  const [attack = metric, epsilon] = metric.split('@');
  return epsilon === undefined ? attack : t('Attack success, {0}, ε {1}', attack, epsilon);
}

/** What `counted` says about one output of this metric. */
export function verdict(metric: string, counted: boolean): string {
  switch (metric) {
    case 'refusal':
    case 'refusalHeldOut':
    case 'refusalHarmless':
      return counted ? t('refused') : t('answered');
    case 'utility':
      return counted ? t('right') : t('wrong');
    case 'stillKnows':
      return counted ? t('known') : t('not known');
    case 'leak':
      return counted ? t('leaked') : t('kept');
    default:
      return counted ? t('attack succeeded') : t('attack failed');
  }
}

/** Whether that verdict is what the reader hopes for. */
export function isGood(metric: string, counted: boolean): boolean {
  const known = RATE_METRICS.find((it) => it === metric);
  return counted === ((known ? better[known] : 'lower') === 'higher');
}

/** Every rate that was measured before or after, attacks first. */
export function rateRows(rates: { before: Rates; after: Rates }): RateRow[] {
  const { before, after } = rates;
  const attacks = new Map<string, { attack: string; epsilon: string }>();
  for (const phase of [before, after])
    for (const [attack, byEpsilon] of Object.entries(phase.attackSuccess))
      for (const epsilon of Object.keys(byEpsilon)) attacks.set(`${attack}@${epsilon}`, { attack, epsilon });
  const rows: RateRow[] = [...attacks]
    .sort(([, a], [, b]) => a.attack.localeCompare(b.attack) || Number(a.epsilon) - Number(b.epsilon))
    .map(([key, { attack, epsilon }]) => ({
      label: metricLabel(key),
      better: 'lower',
      before: before.attackSuccess[attack]?.[epsilon],
      after: after.attackSuccess[attack]?.[epsilon],
    }));
  for (const metric of RATE_METRICS)
    if (before[metric] || after[metric])
      rows.push({ label: metricLabel(metric), better: better[metric], before: before[metric], after: after[metric] });
  return rows;
}

/** How after differs from before, in words; intervals that overlap show no difference. */
export function change(row: RateRow): { text: string; good?: boolean } {
  const { before, after } = row;
  if (!before || !after) return { text: '' };
  if (before.low <= after.high && after.low <= before.high) return { text: t('no difference shown') };
  const fell = after.value < before.value;
  const good = fell === (row.better === 'lower');
  return { text: `${fell ? t('lower') : t('higher')}: ${good ? t('better') : t('worse')}`, good };
}
