import { type Comparison, pText, SIGNIFICANT } from '../src/records/compare';
import { describeMetric } from '../src/records/metrics';
import { t } from './text';

/** What a metric is called, as in reports, with room saved: 'Utility', 'Attack success, embedding ε 0.3'. */
export function metricLabel(metric: string): string {
  const label = t(describeMetric(metric).label).replace(' at epsilon ', ' ε ');
  return label.charAt(0).toUpperCase() + label.slice(1);
}

/** What `counted` says about one output of this metric. */
export function outputVerdict(metric: string, counted: boolean): string {
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
  return counted === (describeMetric(metric).better === 'higher');
}

/** What a comparison shows, and how sure that is: the paired test where the same examples were judged, else the intervals. */
export function change({ before, after, better, paired }: Comparison): { text: string; why: string; good?: boolean } {
  if (!before || !after) return { text: '', why: '' };
  const apart = before.low > after.high || after.low > before.high;
  const changed = paired ? paired.gained + paired.lost : 0;
  const why = paired
    ? changed === 0
      ? t('none of {0} changed', paired.n)
      : t('{0} of {1} changed, {2}', changed, paired.n, pText(paired.p))
    : apart
      ? t('the intervals are apart')
      : t('the intervals overlap');
  if (!(paired ? paired.p < SIGNIFICANT : apart)) return { text: t('no difference shown'), why };
  const fell = after.value < before.value;
  const good = fell === (better === 'lower');
  return { text: `${fell ? t('lower') : t('higher')}: ${good ? t('better') : t('worse')}`, why, good };
}
