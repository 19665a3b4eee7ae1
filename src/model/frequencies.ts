import type { Rope, RopeScaling } from './model';

/**
 * Inverse frequencies [rotary / 2] and the factor on cos and sin, for a pass that has seen `seen` tokens (transformers'
 * modeling_rope_utils.py). Only `dynamic` and `longrope` ask how many: as a text grows past a limit, all of it is seen otherwise.
 */
export function frequenciesOf(
  { theta, rotary, scaling }: Rope,
  seen: number,
): { inverse: Float32Array; factor: number } {
  const plain = (base = theta) => Float32Array.from({ length: rotary / 2 }, (_, i) => 1 / base ** ((2 * i) / rotary));
  switch (scaling?.type) {
    case undefined:
      return { inverse: plain(), factor: 1 };
    case 'linear':
      return { inverse: plain().map((f) => f / scaling.factor), factor: 1 };
    case 'dynamic': {
      const stretch =
        (scaling.factor * Math.max(seen, scaling.maxPositions)) / scaling.maxPositions - (scaling.factor - 1);
      return {
        inverse: seen > scaling.maxPositions ? plain(theta * stretch ** (rotary / (rotary - 2))) : plain(),
        factor: 1,
      };
    }
    case 'llama3':
      return { inverse: plain().map((f) => llama3(f, scaling)), factor: 1 };
    case 'yarn':
      return yarn(plain(), theta, rotary, scaling);
    case 'longrope': {
      const factors = seen > scaling.originalMaxPositions ? scaling.long : scaling.short;
      return { inverse: plain().map((f, i) => f / (factors[i] ?? 1)), factor: scaling.attentionFactor };
    }
  }
}

/** Whether the frequencies depend on the number of tokens seen. */
export const dependsOnLength = (rope: Rope | undefined): boolean =>
  rope?.scaling?.type === 'dynamic' || rope?.scaling?.type === 'longrope';

/** Whether a text that grows from `before` tokens to `after` is seen with other frequencies, so that what was computed no longer holds. */
export function frequenciesChange(rope: Rope | undefined, before: number, after: number): boolean {
  if (!rope || !dependsOnLength(rope)) return false;
  const [old, now] = [before, after].map((seen) => frequenciesOf(rope, seen).inverse) as [Float32Array, Float32Array];
  return old.some((frequency, i) => frequency !== now[i]);
}

function llama3(frequency: number, scaling: RopeScaling & { type: 'llama3' }): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  const waves = (originalMaxPositions * frequency) / (2 * Math.PI);
  if (waves < low) return frequency / factor;
  if (waves > high) return frequency;
  const smooth = (waves - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** arXiv 2309.00071: fast turning pairs stay, slow ones are divided, between them a ramp. */
function yarn(
  plain: Float32Array,
  theta: number,
  rotary: number,
  {
    factor,
    attentionFactor,
    mscale,
    mscaleAllDim,
    betaFast,
    betaSlow,
    truncate,
    originalMaxPositions,
  }: RopeScaling & {
    type: 'yarn';
  },
): { inverse: Float32Array; factor: number } {
  const pairThatTurns = (times: number) =>
    (rotary * Math.log(originalMaxPositions / (times * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairThatTurns(betaFast), pairThatTurns(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  let high = Math.min(truncate ? Math.ceil(last) : last, rotary - 1);
  if (low === high) high += 0.001;
  const inverse = plain.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (f / factor) * ramp + f * (1 - ramp);
  });
  const scale = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  return {
    inverse,
    factor: attentionFactor ?? (mscale && mscaleAllDim ? scale(mscale) / scale(mscaleAllDim) : scale(1)),
  };
}
