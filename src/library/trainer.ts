import type { z } from 'zod';
import { meanEmbeddingNorm } from '../attack/forward';
import { Problem } from '../base/problem';
import type { Encoded } from '../data/encode';
import { attackOptions } from '../experiment/attackOptions';
import { methodOptions } from '../experiment/methodOptions';
import { loraOptions } from '../experiment/trainingOptions';
import { type Adapter, createAdapter, freeAdapter } from '../model/lora';
import type { Model } from '../model/model';
import type { StepLosses } from '../records/record';
import { accumulate } from '../run/accumulate';
import { type MicroResult, type MicroSetup, microGradients } from '../run/microBatch';
import { readScalars } from '../run/readScalars';
import { cleanReferences } from '../run/references';
import { update } from '../run/update';
import { AdamW } from '../tensor/optimizer';
import { checkOptions } from './checkOptions';
import { checkRows } from './checkRows';

/** A prompt with a harmful answer, which the attack seeks, and a safe one, all as token ids with their end markers. */
export interface AdversarialRow {
  prompt: readonly number[];
  harmful: readonly number[];
  safe: readonly number[];
}

/** A prompt and an answer that the model should go on to give. */
export interface UtilityRow {
  prompt: readonly number[];
  answer: readonly number[];
}

/** What one micro-batch is made of; a group may be empty. */
export interface TrainingRows {
  adversarial?: readonly AdversarialRow[];
  utility?: readonly UtilityRow[];
}

/** The same names and defaults as in an experiment file. */
export interface TrainerOptions {
  method?: z.input<typeof methodOptions>;
  attack?: z.input<typeof attackOptions>;
  lora?: z.input<typeof loraOptions>;
  /** Of AdamW; defaults of the paper: 2e-4, 1e-3, 0.3. */
  learningRate?: number;
  weightDecay?: number;
  clipNorm?: number;
  /** Less memory, more time: blocks are computed anew in the backward pass. Default: false. */
  gradientCheckpointing?: boolean;
  seed?: number;
  /** Aborted, it ends a step on the way, and its reason is thrown. The adapter is then the one before the step. */
  signal?: AbortSignal;
  /** Goes on from this one, which the trainer then owns. */
  adapter?: Adapter;
}

export interface TrainingStep {
  losses: StepLosses;
  attack?: { before: number; after: number };
  /** Before clipping. */
  gradientNorm: number;
}

/** Trains an adapter step by step on rows that are given to it. Owns the adapter and the optimizer's state: `close` frees them. */
export interface Trainer {
  /** The adapter as it is now; another after each step. */
  readonly adapter: Adapter;
  /** One optimizer step with the mean gradient of these micro-batches. @throws Problem `row` */
  step(...micros: readonly TrainingRows[]): Promise<TrainingStep>;
  close(): void;
}

/** @throws Problem `options` or `loraTargets` */
export async function createTrainer(model: Model, options: TrainerOptions = {}): Promise<Trainer> {
  const { learningRate = 2e-4, weightDecay = 1e-3, clipNorm = 0.3, gradientCheckpointing = false } = options;
  const { seed = 0, signal } = options;
  const resolved = {
    method: checkOptions(methodOptions, options.method ?? 'cat', 'method'),
    attack: checkOptions(attackOptions, options.attack ?? {}, 'attack'),
    lora: checkOptions(loraOptions, options.lora ?? {}, 'lora'),
    training: { gradientCheckpointing },
    seed,
  };
  const embeddingNorm = await meanEmbeddingNorm(model.weights.embedding);
  const state = {
    adapter: options.adapter ?? createAdapter(model.config, resolved.lora, seed),
    optimizer: new AdamW({ weightDecay }),
  };
  let micros = 0;
  const gradients = async (rows: TrainingRows, index: number): Promise<MicroResult> => {
    const setup = encode(model, rows, { resolved, embeddingNorm });
    const micro = { adversarial: [...setup.adversarial.keys()], utility: [...setup.utility.keys()] };
    const references = await cleanReferences(setup, signal);
    return microGradients(setup, state.adapter, micro, index, references, { signal });
  };
  return {
    get adapter() {
      return state.adapter;
    },
    async step(...given) {
      if (given.length === 0) throw new Problem('row', 'a step needs at least one micro-batch.');
      const { sum, results } = await accumulate(given.length, (i) => gradients(given[i] as TrainingRows, micros + i));
      micros += given.length;
      const norm = update(state, sum, learningRate, { accumulation: given.length, clipNorm });
      return readScalars(results, norm);
    },
    close() {
      freeAdapter(state.adapter);
      state.optimizer.close();
    },
  };
}

function encode(
  model: Model,
  { adversarial = [], utility = [] }: TrainingRows,
  rest: Pick<MicroSetup, 'resolved' | 'embeddingNorm'>,
): MicroSetup {
  if (adversarial.length + utility.length === 0) throw new Problem('row', 'a micro-batch needs at least one row.');
  const one = (prompt: readonly number[], answer: readonly number[]): Encoded => {
    const ids = [...prompt, ...answer];
    checkRows([{ ids, labels: ids.map((id, t) => (t < prompt.length ? -100 : id)) }], model.config);
    return { ids, promptLength: prompt.length, userStart: 0, userEnd: prompt.length };
  };
  return {
    ...rest,
    model,
    adversarial: adversarial.map(({ prompt, harmful, safe }) => ({
      harmful: one(prompt, harmful),
      safe: one(prompt, safe),
    })),
    utility: utility.map(({ prompt, answer }) => one(prompt, answer)),
  };
}
