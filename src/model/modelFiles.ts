import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Problem } from '../base/problem';
import type { Json } from './fields';
import { ggufConfig } from './gguf/ggufConfig';
import { GgufFile, GgufSource } from './gguf/ggufSource';
import { ggufTokenizer } from './gguf/ggufTokenizer';
import type { DecoderConfig } from './model';
import { modelFile } from './modelFile';
import { SafetensorsSource, weightFiles } from './safetensorsSource';
import { folderTemplates, inSettings, type TemplateText } from './templates';
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
  templates: ReadonlyMap<string, TemplateText>;
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
  const settings = readJson(folder, 'tokenizer_config.json') ?? {};
  const named = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'];
  return {
    place: folder,
    kind: 'safetensors',
    config: needed(folder, 'config.json'),
    configFile: join(folder, 'config.json'),
    generation: readJson(folder, 'generation_config.json'),
    tokenizer: needed(folder, 'tokenizer.json'),
    tokenizerFile: join(folder, 'tokenizer.json'),
    settings,
    templates: folderTemplates(folder, settings),
    open: () => new SafetensorsSource(folder),
    get hashed() {
      return [...named, ...weightFiles(folder)].sort().flatMap((name) => {
        const path = modelFile(folder, name);
        return path ? [{ name, path }] : [];
      });
    },
  };
}

function ofGguf(path: string): ModelFiles {
  const folder = dirname(path);
  const file = new GgufFile(path);
  try {
    const config = ggufConfig(file);
    const beside = readJson(folder, 'tokenizer.json');
    const { tokenizerJson, tokenizerConfig } = beside
      ? { tokenizerJson: beside, tokenizerConfig: readJson(folder, 'tokenizer_config.json') ?? {} }
      : ggufTokenizer(file);
    const tokenizerFile = beside ? join(folder, 'tokenizer.json') : path;
    const own = inSettings(tokenizerConfig, path).map(([name, text]): [string, TemplateText] => [
      name,
      { text, file: path },
    ]);
    const names = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'];
    return {
      place: path,
      kind: 'gguf',
      config,
      configFile: path,
      tokenizer: tokenizerJson,
      tokenizerFile,
      settings: tokenizerConfig,
      templates: beside ? folderTemplates(folder, tokenizerConfig) : new Map(own),
      open: (decoder) => new GgufSource(new GgufFile(path), decoder),
      hashed: [
        { name: 'model.gguf', path },
        ...(beside ? names : []).flatMap((name) => {
          const found = modelFile(folder, name);
          return found ? [{ name, path: found }] : [];
        }),
      ],
    };
  } finally {
    file.close();
  }
}

function readJson(folder: string, name: string): Json | undefined {
  const path = modelFile(folder, name);
  if (!path) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('modelJson', 'the file must hold one JSON object; fetch it again.', { file: path });
}

function needed(folder: string, name: string): Json {
  const json = readJson(folder, name);
  if (!json)
    throw new Problem('modelFile', 'the model folder needs this file; fetch it.', { file: join(folder, name) });
  return json;
}
