import { Random } from '../src/base/random';
import type { Shape } from './shapes';

/** Token ids of every task's rows, from a seed: the same for every program. */
export interface Rows {
  adversarial: { prompt: number[]; harmful: number[]; safe: number[] }[];
  utility: { prompt: number[]; answer: number[] }[];
  candidates: { prompt: number[]; target: number[] }[];
  generate: { prompt: number[] }[];
}

const CANDIDATES = 64;

export function makeRows({ rows, vocabularySize }: Shape, seed: number): Rows {
  const random = new Random(seed, 'rows');
  const ids = (count: number) =>
    Array.from({ length: count }, () => 3 + Math.floor(random.next() * (vocabularySize - 3)));
  const repeat = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  const { adversarial, utility, candidates, generate } = rows;
  // Candidates differ from one prompt in one token each; they share the target.
  const base = ids(candidates.prompt);
  const target = ids(candidates.target);
  return {
    adversarial: repeat(adversarial.count, () => ({
      prompt: ids(adversarial.prompt),
      harmful: ids(adversarial.harmful),
      safe: ids(adversarial.safe),
    })),
    utility: repeat(utility.count, () => ({ prompt: ids(utility.prompt), answer: ids(utility.answer) })),
    candidates: repeat(CANDIDATES, () => {
      const at = Math.floor(random.next() * base.length);
      return { prompt: base.map((id, i) => (i === at ? (ids(1)[0] as number) : id)), target };
    }),
    generate: repeat(generate.count, () => ({ prompt: ids(generate.prompt) })),
  };
}
