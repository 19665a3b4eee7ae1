/**
 * Which points to draw of a long series, so that about `limit` are left and no peak is lost: the first, the last, and of each stretch the lowest and the
 * highest. Returns places in `ys`, ascending. NaN points are skipped.
 */
export function keepPeaks(ys: ArrayLike<number>, limit: number): number[] {
  const all: number[] = [];
  if (ys.length <= Math.max(4, limit)) {
    for (let i = 0; i < ys.length; i++) if (!Number.isNaN(ys[i])) all.push(i);
    return all;
  }
  const stretches = Math.max(1, Math.floor((limit - 2) / 2));
  const kept = new Set<number>([0, ys.length - 1]);
  for (let s = 0; s < stretches; s++) {
    const start = Math.floor((s * ys.length) / stretches);
    const end = Math.floor(((s + 1) * ys.length) / stretches);
    let low = -1;
    let high = -1;
    for (let i = start; i < end; i++) {
      const y = ys[i] as number;
      if (Number.isNaN(y)) continue;
      if (low < 0 || y < (ys[low] as number)) low = i;
      if (high < 0 || y > (ys[high] as number)) high = i;
    }
    if (low >= 0) kept.add(low).add(high);
  }
  return [...kept].filter((i) => !Number.isNaN(ys[i])).sort((a, b) => a - b);
}

/**
 * Exponential moving average with its start corrected as in Adam, so that the first values are not pulled to 0. `weight` in 0 .. 1: how much of the past
 * is kept; 0 gives the values themselves. NaN values stay NaN and leave the average as it is.
 */
export function smooth(ys: ArrayLike<number>, weight: number): number[] {
  let mean = 0;
  let mass = 0;
  return Array.from(ys, (y) => {
    if (Number.isNaN(y)) return Number.NaN;
    mean = weight * mean + (1 - weight) * y;
    mass = weight * mass + (1 - weight);
    return mass === 0 ? y : mean / mass;
  });
}
