import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { freeConstants } from './constants';
import type { Model } from './model';
import { type ModelFiles, modelFiles } from './modelFiles';
import { openTokenizer, tokenizerOf } from './openTokenizer';
import type { Precision } from './packed';
import { freeWeights, loadWeights } from './weights';

export { openTokenizer };

export interface OpenOptions {
  /** How linear layers are kept; default float32. */
  precision?: Precision;
  /** Path of a chat template (.jinja), or the name of one of the model's; default: the model's own. */
  template?: string;
}

/**
 * Opens a model: a folder as Hugging Face publishes it (config.json, safetensors, tokenizer.json, chat template), or a GGUF file. The
 * engine must have been started. The caller closes the model.
 * @throws Problem on anything missing, broken or not supported.
 */
export async function openModel(place: string, { precision, template }: OpenOptions = {}): Promise<Model> {
  const files = modelFiles(place);
  const { config, tokenizer, chat } = tokenizerOf(files, template);
  const source = files.open(config);
  let weights: ReturnType<typeof loadWeights>;
  try {
    weights = loadWeights(source, config, precision);
  } finally {
    source.close();
  }
  let open = true;
  return {
    folder: resolve(place),
    config,
    weights,
    tokenizer,
    chat,
    sha256: hashFiles(files),
    close() {
      if (!open) return;
      open = false;
      freeWeights(weights);
      freeConstants(config);
    },
  };
}

/** sha256 over the files that make the numbers: of each its name and its own hash, in the order of their names. */
export function hashModel(place: string): string {
  return hashFiles(modelFiles(place));
}

function hashFiles(files: ModelFiles): string {
  const all = createHash('sha256');
  for (const { name, path } of files.hashed) all.update(`${name} ${hashFile(path)}\n`);
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
