import { uniform32 } from '../base/random';

export interface SampleOptions {
  /** 0: greedy. */
  temperature: number;
  /** Only the likeliest tokens whose probabilities reach this together; 1: all. */
  topP: number;
}

/** Draws one id from logits [V]. The draw is given by seed, row and step, whatever else is in the batch. */
export function sample(
  logits: Float32Array,
  { temperature, topP }: SampleOptions,
  seed: number,
  row: number,
  step: number,
) {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of logits) if (value > most) most = value;
  let total = 0;
  const weights = Float64Array.from(logits, (value) => {
    const weight = Math.exp((value - most) / temperature);
    total += weight;
    return weight;
  });
  const ids = Array.from(logits.keys());
  // Equal probabilities keep the order of their ids: sort is stable.
  if (topP < 1) ids.sort((a, b) => weights[b]! - weights[a]!);
  let kept = ids.length;
  if (topP < 1) {
    let sum = 0;
    for (kept = 0; kept < ids.length && sum < topP * total; kept++) sum += weights[ids[kept]!]!;
    total = sum;
  }
  let left = uniform32(seed, `sample ${row}`, step) * total;
  for (let i = 0; i < kept; i++) {
    left -= weights[ids[i]!]!;
    if (left < 0) return ids[i]!;
  }
  return ids[kept - 1]!;
}
