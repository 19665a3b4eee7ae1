/** A proportion with its Wilson score interval. */
export interface Proportion {
  value: number;
  n: number;
  low: number;
  high: number;
}

/**
 * `successes` of `n` with the Wilson score interval (z = 1.96: 95 %). With n = 0 nothing is known: value 0 in the interval [0, 1].
 * Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 */
export function wilson(successes: number, n: number, z = 1.96): Proportion {
  if (!Number.isInteger(n) || n < 0) throw new RangeError(`n must be a whole number from 0, got ${n}`);
  if (!(successes >= 0 && successes <= n)) throw new RangeError(`successes must be in 0 .. ${n}, got ${successes}`);
  if (n === 0) return { value: 0, n, low: 0, high: 1 };
  const value = successes / n;
  const z2 = z * z;
  const centre = (value + z2 / (2 * n)) / (1 + z2 / n);
  const half = (z / (1 + z2 / n)) * Math.sqrt((value * (1 - value)) / n + z2 / (4 * n * n));
  // at the ends the bound is the value itself; rounding must not put it on the wrong side
  return {
    value,
    n,
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}

/** The middle value, the mean of the two middle ones for an even count, undefined for none. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const high = sorted[half] as number;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] as number) + high) / 2;
}

/** Natural logarithm of n!, exact up to rounding: a sum, kept in a table. */
const logFactorials = [0];
function logFactorial(n: number): number {
  for (let i = logFactorials.length; i <= n; i++) logFactorials[i] = (logFactorials[i - 1] as number) + Math.log(i);
  return logFactorials[n] as number;
}

/**
 * McNemar's exact two-sided p-value for paired yes/no outcomes: `gained` pairs went from no to yes, `lost` from yes to no; pairs that did not
 * change say nothing. It is the binomial test of gained against lost at 1/2. 1 when nothing changed.
 */
export function mcNemar(gained: number, lost: number): number {
  const n = gained + lost;
  if (n === 0) return 1;
  let tail = 0;
  for (let k = 0; k <= Math.min(gained, lost); k++)
    tail += Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) - n * Math.LN2);
  return Math.min(1, 2 * tail);
}
