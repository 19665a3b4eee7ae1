import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Problem } from '../base/problem';
import { type ChatTemplate, makeChatTemplate } from './chatTemplate';
import { freeConstants } from './constants';
import type { DecoderConfig, Model } from './model';
import type { Precision } from './quantized';
import { readConfig } from './readConfig';
import { SafetensorsSource, weightFiles } from './safetensorsSource';
import { makeTokenizer, type Tokenizer } from './tokenizer';
import type { WeightSource } from './weightSource';
import { freeWeights, loadWeights } from './weights';

export interface OpenOptions {
  /** How linear layers are kept; default float32. */
  precision?: Precision;
}

type Json = { [key: string]: unknown };

/**
 * Opens a Hugging Face model folder: config.json, safetensors, tokenizer.json, tokenizer_config.json, chat template. The engine must
 * have been started. The caller closes the model.
 * @throws Problem on anything missing, broken or not supported.
 */
export async function openModel(folder: string, { precision }: OpenOptions = {}): Promise<Model> {
  const { config, tokenizer, chat } = openTokenizer(folder);
  const weights = withSource(folder, (source) => loadWeights(source, config, precision));
  const sha256 = hashModel(folder);
  let open = true;
  return {
    folder: resolve(folder),
    config,
    weights,
    tokenizer,
    chat,
    sha256,
    close() {
      if (!open) return;
      open = false;
      freeWeights(weights);
      freeConstants(config);
    },
  };
}

function withSource<T>(folder: string, use: (source: WeightSource) => T): T {
  const source = new SafetensorsSource(folder);
  try {
    return use(source);
  } finally {
    source.close();
  }
}

/** All of a model folder but its weights: what checks and estimates need. */
export function openTokenizer(folder: string): { config: DecoderConfig; tokenizer: Tokenizer; chat: ChatTemplate } {
  if (!existsSync(folder)) throw new Problem('modelFolder', 'there is no such model folder.', { file: folder });
  const path = (name: string) => join(folder, name);
  const generation = readJson(path('generation_config.json'));
  const config = readConfig(needed(path('config.json')), path('config.json'), generation);
  const settings = readJson(path('tokenizer_config.json')) ?? {};
  const tokenizer = makeTokenizer(needed(path('tokenizer.json')), settings, path('tokenizer.json'));
  if (tokenizer.vocabularySize > config.vocabularySize)
    throw new Problem(
      'tokenizer',
      `the tokenizer has ${tokenizer.vocabularySize} tokens, the model ${config.vocabularySize}; they do not belong together.`,
      { file: path('tokenizer.json') },
    );
  const chat = makeChatTemplate({
    ...findTemplate(folder, settings),
    tokenizer,
    tokens: specialTokens(settings),
    eosIds: config.eosIds,
  });
  return { config, tokenizer, chat };
}

/** sha256 over the files that make the numbers: of each its name and its own hash, in the order of their names. */
export function hashModel(folder: string): string {
  const names = [
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
    ...weightFiles(folder),
  ];
  const all = createHash('sha256');
  for (const name of names.sort()) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    all.update(`${name} ${hashFile(path)}\n`);
  }
  return all.digest('hex');
}

/** By parts: weights may be larger than what Node reads at once. */
function hashFile(path: string): string {
  const hash = createHash('sha256');
  const part = new Uint8Array(1 << 22);
  const handle = openSync(path, 'r');
  try {
    for (let count = readSync(handle, part); count > 0; count = readSync(handle, part))
      hash.update(part.subarray(0, count));
  } finally {
    closeSync(handle);
  }
  return hash.digest('hex');
}

function readJson(path: string): Json | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('modelJson', 'the file must hold one JSON object; fetch it again.', { file: path });
}

function needed(path: string): Json {
  const json = readJson(path);
  if (!json) throw new Problem('modelFile', 'the model folder needs this file; fetch it.', { file: path });
  return json;
}

function findTemplate(folder: string, settings: Json): { template?: string; file: string } {
  const own = join(folder, 'chat_template.jinja');
  if (existsSync(own)) return { template: readFileSync(own, 'utf8'), file: own };
  const file = join(folder, 'tokenizer_config.json');
  const template = settings['chat_template'];
  if (template === undefined || template === null) return { file };
  if (typeof template === 'string') return { template, file };
  // Several by name: transformers takes the one called default.
  const named: unknown = Array.isArray(template)
    ? template.find((one: unknown) => (one as Json | null)?.['name'] === 'default')
    : undefined;
  const text = (named as Json | undefined)?.['template'];
  if (typeof text !== 'string')
    throw new Problem('chatTemplate', 'chat_template must be a text, or a list with one named default.', { file });
  return { template: text, file };
}

/** bos_token and its like as texts; in the file they are texts or objects with a content. */
function specialTokens(settings: Json): { [name: string]: string } {
  const tokens: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(settings)) {
    if (!name.endsWith('_token')) continue;
    const content = typeof value === 'object' && value !== null ? (value as Json)['content'] : value;
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}
