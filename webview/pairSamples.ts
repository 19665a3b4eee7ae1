import type { SampleView } from '../src/records/runView';

/** The same example before and after (or, while training goes on, at the last step measured). */
export interface SamplePair {
  example: string;
  metric: string;
  before?: SampleView;
  now?: SampleView;
}

/** Samples of one metric, paired by example, in the order in which they came. */
export function pairSamples(samples: readonly SampleView[], metric: string): SamplePair[] {
  const pairs = new Map<string, SamplePair>();
  for (const sample of samples) {
    if (sample.metric !== metric) continue;
    const pair = pairs.get(sample.example) ?? { example: sample.example, metric };
    pairs.set(sample.example, pair);
    if (sample.phase === 'before') pair.before = sample;
    else if (!pair.now || pair.now.phase === 'during') pair.now = sample;
  }
  return [...pairs.values()];
}

export const isChanged = (pair: SamplePair): boolean =>
  pair.before !== undefined && pair.now !== undefined && pair.before.counted !== pair.now.counted;
