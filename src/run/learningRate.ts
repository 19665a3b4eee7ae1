import type { TrainingOptions } from '../experiment/schema';

/** Learning rate of optimizer step `step` (from 0) of `steps`: linear warm-up from 0, then a half cosine to 0 or a constant; as in transformers. */
export function learningRate(
  { learningRate: highest, schedule, warmupSteps }: Pick<TrainingOptions, 'learningRate' | 'schedule' | 'warmupSteps'>,
  step: number,
  steps: number,
): number {
  if (step < warmupSteps) return (highest * step) / warmupSteps;
  if (schedule === 'constant') return highest;
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return highest * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
