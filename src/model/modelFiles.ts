import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Problem } from '../base/problem';
import type { Json } from './fields';
import { type Templates, templateFiles, templatesIn, templatesOf } from './findTemplate';
import { ggufConfig } from './gguf/ggufConfig';
import { GgufFile, GgufSource } from './gguf/ggufSource';
import { ggufTokenizer } from './gguf/ggufTokenizer';
import type { DecoderConfig } from './model';
import { modelFile } from './modelFile';
import { neededModelJson, readModelJson } from './readModelJson';
import { SafetensorsSource, weightFiles } from './safetensorsSource';
import type { WeightSource } from './weightSource';

/** What a model is made of, wherever it stands: a folder as Hugging Face publishes it, or a GGUF file. Nothing is written to it. */
export interface ModelFiles {
  /** The folder, or the GGUF file. */
  place: string;
  kind: 'safetensors' | 'gguf';
  config: Json;
  configFile: string;
  generation?: Json;
  tokenizer: Json;
  tokenizerFile: string;
  settings: Json;
  specialTokens?: Json;
  templates: Templates;
  /** The caller closes it. */
  open(config: DecoderConfig): WeightSource;
  /** Names and paths of the files that make the numbers. */
  hashed: readonly { name: string; path: string }[];
}

/**
 * Looks at a model: a folder with config.json and safetensors, a GGUF file, or a folder with one GGUF file and no safetensors. A
 * tokenizer beside a GGUF file goes before the one in it.
 * @throws Problem on anything missing or not JSON.
 */
export function modelFiles(place: string): ModelFiles {
  if (!existsSync(place)) throw new Problem('modelFolder', 'there is no such model folder.', { file: place });
  if (!statSync(place).isDirectory()) {
    if (place.endsWith('.gguf')) return ofGguf(place);
    throw new Problem('modelFolder', 'this is a file; name the model folder, or a .gguf file.', { file: place });
  }
  const alone = onlyGguf(place);
  return alone ? ofGguf(alone) : ofFolder(place);
}

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];

/** Those files that are there, in the order of their names. */
function existing(folder: string, names: readonly string[]): { name: string; path: string }[] {
  return [...names].sort().flatMap((name) => {
    const path = modelFile(folder, basename(name), dirname(name) === '.' ? '' : dirname(name));
    return path ? [{ name, path }] : [];
  });
}

function onlyGguf(folder: string): string | undefined {
  const names = readdirSync(folder);
  if (names.includes('config.json') && names.some((name) => /\.safetensors(\.index\.json)?$/.test(name)))
    return undefined;
  const found = names.filter((name) => name.endsWith('.gguf'));
  if (found.length > 1)
    throw new Problem('modelFolder', `the folder has several GGUF files; name one: ${found.join(', ')}.`, {
      file: folder,
    });
  return found[0] === undefined ? undefined : modelFile(folder, found[0]);
}

function ofFolder(folder: string): ModelFiles {
  const settings = readModelJson(folder, 'tokenizer_config.json') ?? {};
  return {
    place: folder,
    kind: 'safetensors',
    config: neededModelJson(folder, 'config.json'),
    configFile: join(folder, 'config.json'),
    generation: readModelJson(folder, 'generation_config.json'),
    tokenizer: neededModelJson(folder, 'tokenizer.json'),
    tokenizerFile: join(folder, 'tokenizer.json'),
    settings,
    specialTokens: readModelJson(folder, 'special_tokens_map.json'),
    templates: templatesOf(folder, settings),
    open: () => new SafetensorsSource(folder),
    get hashed() {
      return existing(folder, ['config.json', ...TOKENIZER, ...templateFiles(folder), ...weightFiles(folder)]);
    },
  };
}

function ofGguf(path: string): ModelFiles {
  const folder = dirname(path);
  const file = new GgufFile(path);
  try {
    const config = ggufConfig(file);
    const beside = readModelJson(folder, 'tokenizer.json');
    const { tokenizerJson, tokenizerConfig } = beside
      ? { tokenizerJson: beside, tokenizerConfig: readModelJson(folder, 'tokenizer_config.json') ?? {} }
      : ggufTokenizer(file);
    const tokenizerFile = beside ? join(folder, 'tokenizer.json') : path;
    return {
      place: path,
      kind: 'gguf',
      config,
      configFile: path,
      tokenizer: tokenizerJson,
      tokenizerFile,
      settings: tokenizerConfig,
      templates: beside ? templatesOf(folder, tokenizerConfig) : templatesIn(tokenizerConfig, path),
      open: (decoder) => new GgufSource(new GgufFile(path), decoder),
      hashed: [
        { name: 'model.gguf', path },
        ...(beside ? existing(folder, [...TOKENIZER, ...templateFiles(folder)]) : []),
      ],
    };
  } finally {
    file.close();
  }
}
