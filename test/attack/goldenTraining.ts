import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Encoded } from '../../src/data/encode';
import type { CapoLossOptions } from '../../src/defense/capo';
import type { CatLossOptions } from '../../src/defense/cat';
import type { AttackOptions, CapoOptions } from '../../src/experiment/schema';
import { goldenFolder } from '../model/golden';

// What test/golden/trainingGolden.py wrote; it says what each number is.

type Gradients = { [name: string]: number[] };
type GoldenAttack = Pick<
  AttackOptions,
  'optimizer' | 'perturb' | 'stepSizeUnit' | 'stepSize' | 'epsilon' | 'iterations'
>;
type GoldenCapo = CapoLossOptions & Pick<CapoOptions, 'referenceOrder' | 'referencePrompts'>;

export interface GoldenStep {
  attackLosses: number[];
  away: number;
  toward: number;
  utility: number;
  total: number;
  gradientNorm: number;
}

export interface GoldenTraining {
  rows: { prompt: number[]; user: [number, number]; target: number[]; safe: number[] }[];
  utility: { prompt: number[]; answer: number[] }[];
  embeddingNorm: number;
  attack: { options: GoldenAttack; radius: number; step: number; losses: number[]; delta: number[][] }[];
  cat: {
    attackOptions: GoldenAttack;
    delta: number[][];
    raw: { away: number; toward: number; utility: number };
    cases: { options: CatLossOptions; away: number; toward: number; utility: number; total: number }[];
  };
  catGradient: { options: CatLossOptions; gradients: Gradients };
  capo: {
    delta: number[][];
    harmfulLogProbs: number[][];
    safeLogProbs: number[][];
    references: { [prompts in 'clean' | 'attacked']: { harmful: number[]; safe: number[] } };
    cases: { options: GoldenCapo; h: number[]; ipo: number }[];
    gradients: { options: GoldenCapo; gradients: Gradients }[];
  };
  training: {
    options: {
      attack: GoldenAttack;
      method: CatLossOptions;
      learningRate: number;
      weightDecay: number;
      clipNorm: number;
    };
    steps: GoldenStep[];
    adapterAfter: { [step: string]: Gradients };
  };
}

export const goldenTraining = JSON.parse(readFileSync(join(goldenFolder, 'training.json'), 'utf8')) as GoldenTraining;

const join2 = (prompt: number[], answer: number[], user: [number, number] = [0, 0]): Encoded => ({
  ids: [...prompt, ...answer],
  promptLength: prompt.length,
  userStart: user[0],
  userEnd: user[1],
});

export const goldenPairs = goldenTraining.rows.map(({ prompt, user, target, safe }) => ({
  harmful: join2(prompt, target, user),
  safe: join2(prompt, safe, user),
}));
export const goldenUtility = goldenTraining.utility.map(({ prompt, answer }) => join2(prompt, answer));

/** Attack options that the golden numbers leave at their defaults. */
export const attackDefaults = { start: 'zero', ball: 'l2', keep: 'last' } as const;
