import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Message } from '../../src/model/chatTemplate';
import { startEngine } from '../../src/tensor/engine';

// What test/golden/makeGolden.py wrote; it says what each number is.

export interface GoldenModel {
  rows: number[][];
  targetStarts: number[];
  logits: number[][];
  targetLogProbs: number[];
  meanTargetLoss: number;
  embeddingGradient: number[][];
  greedy: { prompt: number[]; ids: number[] }[];
  texts: { text: string; ids: number[]; special: number[] }[];
  chats: { messages: Message[]; open: boolean; ids: number[] }[];
}
interface Golden {
  tinyLlama: GoldenModel;
  tinyLlamaBiased: GoldenModel;
  adapter: { logits: number[][]; gradients: { [name: string]: number[] }; greedy: number[] };
}

export const goldenFolder = join(__dirname, '..', 'golden');
export const tinyFolder = join(goldenFolder, 'tinyLlama');
export const biasedFolder = join(goldenFolder, 'tinyLlamaBiased');
export const adapterFolder = join(goldenFolder, 'adapter');
export const golden = JSON.parse(readFileSync(join(goldenFolder, 'model.json'), 'utf8')) as Golden;
/** Models by name, to run one test on each. */
export const goldenModels = [
  { name: 'tied, no biases', folder: tinyFolder, expected: golden.tinyLlama },
  { name: 'untied, biases, llama3 rope, F16', folder: biasedFolder, expected: golden.tinyLlamaBiased },
];

export const startTestEngine = () => startEngine({ engine: 'wasm', threads: 1 });

/** Largest absolute difference; infinite where the lengths differ. */
export function farthest(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < found.length; i++) {
    const distance = Math.abs((found[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (!(distance <= most)) most = distance;
  }
  return most;
}

export const largest = (values: ArrayLike<number>): number => Math.max(...Array.from(values, Math.abs));
