import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { embeddingAttack } from '../src/attack/embedding';
import { meanEmbeddingNorm, rowMeans } from '../src/attack/forward';
import { logProbsAt } from '../src/attack/logProbsAt';
import { runAttack } from '../src/attack/runAttack';
import { Random } from '../src/base/random';
import { makeBatch } from '../src/data/batch';
import type { Encoded } from '../src/data/encode';
import type { Resolved } from '../src/experiment/schema';
import { experimentSchema } from '../src/experiment/schema';
import { generate } from '../src/model/generate';
import { createAdapter, mergeAdapter } from '../src/model/lora';
import type { Precision } from '../src/model/packed';
import { readConfig } from '../src/model/readConfig';
import { SafetensorsSource } from '../src/model/safetensorsSource';
import { loadWeights } from '../src/model/weights';
import { type MicroSetup, microGradients } from '../src/run/microBatch';
import { readScalars } from '../src/run/readScalars';
import { update } from '../src/run/update';
import { AdamW } from '../src/tensor/optimizer';
import type { Rows } from './makeRows';

/** What a task is asked with. */
export interface Request {
  rows: Rows;
  lora: { rank: number; alpha: number; dropout: number };
  attack: { iterations: number; stepSize: number; epsilon: number };
  /** Of CAPO: mean log p of the safe answer less that of the harmful one, per row. */
  references?: readonly number[];
  tokens?: number;
}

export type Numbers = { [name: string]: number };

/** The product's own training step, attack, losses and generation on a model folder without a tokenizer. */
export interface Trainer {
  step(request: Request, method: 'cat' | 'capo'): Promise<Numbers>;
  iteration(request: Request): Promise<Numbers>;
  candidates(request: Request): Promise<Numbers>;
  generate(request: Request): Promise<Numbers>;
}

/** Prompt and answer as one encoded row. */
const row = (prompt: readonly number[], answer: readonly number[]): Encoded => ({
  ids: [...prompt, ...answer],
  promptLength: prompt.length,
  userStart: 0,
  userEnd: prompt.length,
});

/** Loads the model, its linear layers in `precision`. The engine must have been started; what is made lives as long as the process. */
export async function openTrainer(
  folder: string,
  { precision, gradientCheckpointing = false }: { precision?: Precision; gradientCheckpointing?: boolean } = {},
): Promise<Trainer> {
  const file = join(folder, 'config.json');
  const config = readConfig(JSON.parse(readFileSync(file, 'utf8')), file);
  const source = new SafetensorsSource(folder);
  const weights = loadWeights(source, config, precision);
  source.close();
  const model = { config, weights, folder, sha256: '' } as MicroSetup['model'];
  const embeddingNorm = await meanEmbeddingNorm(weights.embedding);

  /** What the training steps go on from. */
  let state: { adapter: ReturnType<typeof createAdapter>; optimizer: AdamW; index: number } | undefined;
  let merged: typeof weights | undefined;

  const stateOf = ({ lora }: Request) => {
    state ??= {
      adapter: createAdapter(config, { ...lora, targets: 'all-linear' }, 0),
      optimizer: new AdamW({ learningRate: 2e-4, weightDecay: 1e-3 }),
      index: 0,
    };
    return state;
  };

  function setupOf(request: Request, method: 'cat' | 'capo'): MicroSetup {
    const parsed = experimentSchema.parse({
      model: folder,
      method: { name: method, ...(method === 'capo' ? { utilityWeight: 0 } : {}) },
      attack: { ...request.attack, optimizer: 'sign' },
      lora: request.lora,
      training: { gradientCheckpointing },
      data: { adversarial: { file: 'none.jsonl' }, utility: { file: 'none.jsonl' } },
    }) as Pick<Resolved, 'lora' | 'seed' | 'method' | 'attack' | 'training'>;
    return {
      resolved: parsed,
      model,
      embeddingNorm,
      adversarial: request.rows.adversarial.map(({ prompt, harmful, safe }) => ({
        harmful: row(prompt, harmful),
        safe: row(prompt, safe),
      })),
      utility: request.rows.utility.map(({ prompt, answer }) => row(prompt, answer)),
    };
  }

  async function step(request: Request, method: 'cat' | 'capo'): Promise<Numbers> {
    const own = stateOf(request);
    const micro = {
      adversarial: [...request.rows.adversarial.keys()],
      utility: method === 'cat' ? [...request.rows.utility.keys()] : [],
    };
    const references = request.references?.map((safe) => ({ safe, harmful: 0 }));
    const result = await microGradients(setupOf(request, method), own.adapter, micro, own.index++, references);
    const norm = update(own, result.gradients, 2e-4, { accumulation: 1, clipNorm: 0.3 });
    const { losses, attack } = await readScalars([result], norm);
    return {
      before: attack?.before ?? Number.NaN,
      away: losses.rawAway ?? Number.NaN,
      toward: losses.rawToward ?? Number.NaN,
      ...(losses.utility === undefined ? {} : { utility: losses.utility }),
      ...(losses.ipo === undefined ? {} : { ipo: losses.ipo }),
    };
  }

  return {
    step,
    async iteration(request) {
      const own = stateOf(request);
      merged ??= mergeAdapter(config, weights, own.adapter);
      const { attack } = setupOf(request, 'cat').resolved;
      const batch = makeBatch(request.rows.adversarial.map(({ prompt, harmful }) => row(prompt, harmful)));
      const target = { model, weights: merged, embeddingNorm };
      const found = await runAttack(
        embeddingAttack,
        target,
        batch,
        { ...attack, iterations: 1 },
        new Random(0, 'bench'),
      );
      const [before = Number.NaN] = await found.lossBefore.data();
      await found.delta.data();
      found.close();
      batch.close();
      return { before };
    },
    async candidates(request) {
      const batch = makeBatch(request.rows.candidates.map(({ prompt, target }) => row(prompt, target)));
      const logProbs = await logProbsAt({ model, weights }, batch);
      const means = rowMeans(batch, logProbs);
      const values = Array.from(await means.data());
      tf.dispose([logProbs, means]);
      batch.close();
      return { mean: -values.reduce((a, b) => a + b, 0) / values.length };
    },
    async generate(request) {
      const prompts = request.rows.generate.map(({ prompt }) => prompt);
      const answers = await generate(model, { prompts, maxNewTokens: request.tokens ?? 1, stopIds: [] });
      return { sum: answers.flat().reduce((a, b) => a + b, 0) };
    },
  };
}
