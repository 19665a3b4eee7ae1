import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { StepLosses } from '../records/record';
import type { MicroResult } from './microBatch';

/** All numbers of a step in one read. Means over the micro-batches in which a term occurs; frees the tensors. */
export async function readScalars(
  results: readonly MicroResult[],
  norm: Scalar,
): Promise<{ losses: StepLosses; attack?: { before: number; after: number }; gradientNorm: number }> {
  const list: { name: string; value: Tensor }[] = [{ name: 'norm', value: norm }];
  for (const { losses, attack } of results) {
    for (const loss of losses)
      for (const [name, value] of Object.entries(loss)) if (value) list.push({ name, value: value as Tensor });
    if (attack) list.push({ name: 'before', value: attack.before }, { name: 'after', value: attack.after });
  }
  const stacked: Tensor1D = tf.tidy(() => tf.stack(list.map(({ value }) => tf.reshape(value, []))) as Tensor1D);
  const numbers = await stacked.data();
  tf.dispose([stacked, ...list.map(({ value }) => value)]);

  const sums = new Map<string, { sum: number; n: number }>();
  list.forEach(({ name }, i) => {
    const { sum, n } = sums.get(name) ?? { sum: 0, n: 0 };
    sums.set(name, { sum: sum + (numbers[i] as number), n: n + 1 });
  });
  const mean = (name: string): number | undefined => {
    const found = sums.get(name);
    return found && found.sum / found.n;
  };
  const terms = ['toward', 'away', 'utility', 'rawToward', 'rawAway', 'ipo', 'margin'] as const;
  const [before, after] = [mean('before'), mean('after')];
  return {
    losses: {
      // Totals of a micro-batch's groups add up.
      total: (sums.get('total')?.sum ?? 0) / results.length,
      ...Object.fromEntries(terms.flatMap((name) => (sums.has(name) ? [[name, mean(name)]] : []))),
    },
    attack: before === undefined || after === undefined ? undefined : { before, after },
    gradientNorm: mean('norm') as number,
  };
}
