import type { Shape } from './shapes';
import type { Task } from './tasks';

/** Multiplications and additions of a task's matrix products, no less and no more than the algorithm needs; undefined for other tasks. */
export function flops(
  task: Task,
  shape: Shape,
  { iterations, rank }: { iterations: number; rank: number },
): number | undefined {
  const { adversarial, utility, candidates } = shape.rows;
  const { hiddenSize: d, intermediateSize: f, heads, keyValueHeads, layers, vocabularySize } = shape;
  const kv = (d / heads) * keyValueHeads;
  const block = layers * (2 * d * d + 2 * d * kv + 3 * d * f);
  // Factors: in + out of each of seven layers.
  const lora = layers * rank * (2 * (d + d) + 2 * (d + kv) + 2 * (d + f) + (f + d));
  const head = d * vocabularySize;
  // A product takes 2 operations a weight; its gradient for the input as many again.
  const attack =
    4 * adversarial.count * ((adversarial.prompt + adversarial.harmful - 1) * block + adversarial.harmful * head);
  const train = (count: number, inputs: number, targets: number) =>
    count * (inputs * (4 * block + 6 * lora) + 4 * targets * head);
  const pair = train(
    adversarial.count,
    adversarial.prompt + adversarial.harmful + adversarial.safe - 2,
    adversarial.harmful + adversarial.safe,
  );
  const merge = 2 * block * rank;
  switch (task) {
    case 'iteration':
      return attack;
    case 'cat':
      return (
        merge + iterations * attack + pair + train(utility.count, utility.prompt + utility.answer - 1, utility.answer)
      );
    case 'capo':
      return merge + iterations * attack + pair;
    case 'candidates':
      return 2 * 64 * ((candidates.prompt + candidates.target - 1) * block + candidates.target * head);
    default:
      return undefined;
  }
}
