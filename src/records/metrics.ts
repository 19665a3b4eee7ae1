import { RATE_METRICS, type RateMetric } from './record';

interface MetricText {
  label: string;
  better: 'lower' | 'higher';
}

const RATES: { readonly [metric in RateMetric]: MetricText } = {
  leak: { label: 'leaks with no attack', better: 'lower' },
  refusal: { label: 'refusal, wordings trained on', better: 'higher' },
  refusalHeldOut: { label: 'refusal, held-out wordings', better: 'higher' },
  refusalHarmless: { label: 'refusal of harmless questions', better: 'lower' },
  utility: { label: 'utility', better: 'higher' },
  stillKnows: { label: 'still knows', better: 'higher' },
};

/** How samples and tables name an attack at a radius: `embedding@0.3`. */
export const attackMetric = (attack: string, epsilon: number | string): string => `${attack}@${epsilon}`;

/** What a metric is called for people, and which direction is better. */
export function describeMetric(metric: string): MetricText {
  const rate = RATE_METRICS.find((it) => it === metric);
  if (rate) return RATES[rate];
  const [attack = metric, epsilon] = metric.split('@');
  const label = `attack success, ${attack}${epsilon === undefined ? '' : ` at epsilon ${epsilon}`}`;
  return { label, better: 'lower' };
}
