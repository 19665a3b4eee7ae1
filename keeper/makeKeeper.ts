import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import * as tf from '@tensorflow/tfjs-core';
import { readConfig } from '../src/model/readConfig';
import { startEngine } from '../src/tensor/engine';
import type { Encoder } from './batches';
import { makeCorpus } from './corpus';
import { KEEPER_FOLDER, makeFiles, writeFiles } from './makeData';
import { decodeParameters, encodeParameters, initialParameters } from './parameters';
import { GENERATION_CONFIG, KEEPER_CONFIG } from './shape';
import { type Progress, RECIPE, type Training, trainStage } from './train';
import { SPECIALS } from './trainTokenizer';
import { makeWorld } from './world';

// `npm run make-keeper` writes the whole folder again, from the seed alone. Options after `--`:
//   --folder F   where to (default: media/keeper)      --threads N  cores
//   --stages F   a folder where each finished stage is kept; a stage that is there already is not trained again
//   --stop N     at most N steps a stage, to try the machine

const REPORT_EVERY = 20;

interface Options {
  folder: string;
  threads?: number;
  stages?: string;
  stop: number;
}

async function makeKeeper({ folder, threads, stages, stop }: Options): Promise<void> {
  const engine = await startEngine({ engine: 'wasm', threads });
  console.log(`engine ${engine.name}, ${engine.threads} threads`);
  const files = makeFiles();
  writeFiles(folder, files);
  const config = readConfig(KEEPER_CONFIG, 'config.json', GENERATION_CONFIG);
  const training: Training = {
    model: { config },
    corpus: makeCorpus(makeWorld()),
    encoder: encoderOf(files),
    recipe: RECIPE,
  };
  let parameters = initialParameters(config, RECIPE.seed, RECIPE.initialDeviation);
  for (const stage of RECIPE.stages) {
    const kept = stages && path.join(stages, `${stage.name}.safetensors`);
    if (kept && existsSync(kept)) {
      tf.dispose(parameters);
      parameters = decodeParameters(readFileSync(kept));
      console.log(`${stage.name}: read ${kept}`);
      continue;
    }
    const steps = Math.min(stage.steps, stop);
    parameters = await trainStage(training, { ...stage, steps }, parameters, printer());
    if (kept) {
      mkdirSync(path.dirname(kept), { recursive: true });
      writeFileSync(kept, await encodeParameters(parameters, 'F32'));
    }
  }
  writeFiles(folder, {
    'config.json': `${JSON.stringify(KEEPER_CONFIG, null, 2)}\n`,
    'generation_config.json': `${JSON.stringify(GENERATION_CONFIG, null, 2)}\n`,
  });
  writeFileSync(path.join(folder, 'model.safetensors'), await encodeParameters(parameters, 'F16'));
  console.log(`wrote ${folder}`);
}

function printer(): (progress: Progress) => void {
  const started = Date.now();
  let sum = 0;
  return ({ stage, step, steps, loss, tokens }) => {
    sum += loss;
    if (step % REPORT_EVERY !== 0 && step !== steps) return;
    const mean = sum / (step % REPORT_EVERY || REPORT_EVERY);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    const alive = tf.memory().numTensors;
    console.log(`${stage} ${step}/${steps}: loss ${mean.toFixed(4)}, ${tokens} tokens, ${seconds} s, ${alive} tensors`);
    sum = 0;
  };
}

function encoderOf(files: { readonly [file: string]: string }): Encoder {
  const parse = (file: string): object => JSON.parse(files[file] ?? '{}');
  const tokenizer = new Tokenizer(parse('tokenizer.json'), parse('tokenizer_config.json'));
  const id = (special: (typeof SPECIALS)[number]) => SPECIALS.indexOf(special);
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    user: id('<|user|>'),
    assistant: id('<|assistant|>'),
    end: id('<|end|>'),
  };
}

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};

const threads = option('threads');
makeKeeper({
  folder: path.resolve(option('folder') ?? KEEPER_FOLDER),
  threads: threads === undefined ? undefined : Number(threads),
  stages: option('stages'),
  stop: Number(option('stop') ?? Number.POSITIVE_INFINITY),
}).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
