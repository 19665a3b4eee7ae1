import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freeConstants } from './constants';
import { templateFiles } from './findTemplate';
import type { Model } from './model';
import { openTokenizer } from './openTokenizer';
import type { Precision } from './quantized';
import { SafetensorsSource, weightFiles } from './safetensorsSource';
import type { WeightSource } from './weightSource';
import { freeWeights, loadWeights } from './weights';

export { openTokenizer };

export interface OpenOptions {
  /** How linear layers are kept; default float32. */
  precision?: Precision;
  /** As in the experiment file: the path of a .jinja file, or the name of one of the model's. */
  template?: string;
}

/**
 * Opens a Hugging Face model folder: config.json, safetensors, tokenizer.json, tokenizer_config.json, chat template. The engine must
 * have been started. The caller closes the model.
 * @throws Problem on anything missing, broken or not supported.
 */
export async function openModel(folder: string, { precision, template }: OpenOptions = {}): Promise<Model> {
  const { config, tokenizer, chat } = openTokenizer(folder, template);
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

/** sha256 over the files that make the numbers: of each its name and its own hash, in the order of their names. */
export function hashModel(folder: string): string {
  const names = [
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    ...templateFiles(folder),
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
