import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import * as tf from '@tensorflow/tfjs-core';
import { familyOf } from '../src/model/family';
import { readConfig } from '../src/model/readConfig';
import { startEngine } from '../src/tensor/engine';
import type { Encoder } from './batches';
import { makeCorpus } from './corpus';
import { KEEPER_FOLDER, makeFiles, writeFiles } from './makeData';
import { encodeParameters } from './parameters';
import { GENERATION_CONFIG, KEEPER_CONFIG } from './shape';
import { RECIPE, train } from './train';
import { SPECIALS } from './trainTokenizer';
import { makeWorld } from './world';

// `npm run make-keeper [-- --folder F --threads N --stop N]`: writes the whole folder again, from the seed alone.

const REPORT_EVERY = 20;

async function makeKeeper(folder: string, threads: number | undefined, stop: number): Promise<void> {
  const engine = await startEngine({ engine: 'wasm', threads });
  console.log(`engine ${engine.name}, ${engine.threads} threads`);
  const files = makeFiles();
  writeFiles(folder, files);
  const config = readConfig(KEEPER_CONFIG, 'config.json', GENERATION_CONFIG);
  const stages = RECIPE.stages.map((stage) => ({ ...stage, steps: Math.min(stage.steps, stop) }));
  const started = Date.now();
  let sum = 0;
  const parameters = await train(
    { config, family: familyOf(config.modelType, 'config.json') },
    makeCorpus(makeWorld()),
    encoderOf(files),
    { ...RECIPE, stages },
    ({ stage, step, steps, loss, tokens }) => {
      sum += loss;
      if (step % REPORT_EVERY !== 0 && step !== steps) return;
      const seconds = (Date.now() - started) / 1000;
      const mean = sum / (step % REPORT_EVERY || REPORT_EVERY);
      console.log(`${stage} ${step}/${steps}: loss ${mean.toFixed(4)}, ${tokens} tokens, ${seconds.toFixed(0)} s`);
      sum = 0;
    },
  );
  writeFiles(folder, {
    'config.json': `${JSON.stringify(KEEPER_CONFIG, null, 2)}\n`,
    'generation_config.json': `${JSON.stringify(GENERATION_CONFIG, null, 2)}\n`,
  });
  writeFileSync(path.join(folder, 'model.safetensors'), await encodeParameters(parameters));
  console.log(`wrote ${folder} (${tf.memory().numTensors} tensors alive)`);
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

makeKeeper(
  path.resolve(option('folder') ?? KEEPER_FOLDER),
  option('threads') === undefined ? undefined : Number(option('threads')),
  Number(option('stop') ?? Number.POSITIVE_INFINITY),
).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
