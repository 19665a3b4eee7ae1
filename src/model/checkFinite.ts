import { Problem } from '../base/problem';

/** Weights as they are. @throws Problem `weights` where one is NaN or infinite: every number made with it would be too. */
export function checkFinite(values: Float32Array, name: string, file: string): Float32Array {
  // NaN and the infinities spread to a sum; only then is the place looked for. Sums of huge weights may overflow by themselves.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  if (sum === 0) return values;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new Problem(
    'weights',
    `tensor ${name} holds ${values[at]} at place ${at}; the file is broken, fetch it again.`,
    {
      file,
    },
  );
}
