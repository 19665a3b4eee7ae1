import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { BYTES_EACH } from './encodeFloats';
import type { Json } from './fields';
import type { Adapter } from './lora';
import type { DecoderConfig } from './model';
import { modelFile } from './modelFile';
import type { ModelFiles } from './modelFiles';
import type { FloatType } from './safetensors';
import { countOf, type ListedTensor, tensorList } from './tensorList';
import type { WeightSource } from './weightSource';
import { transpose } from './weights';
import { type TensorToWrite, writeSafetensors } from './writeSafetensors';

export interface ExportOptions {
  /** Added into the weights: W + scale * A B, in float32. */
  adapter?: Adapter;
  dtype: FloatType;
  /** Larger models are written as several files and an index; default 5 GB, as transformers does. */
  shardBytes?: number;
  onTensor?: (done: number, total: number) => void;
}

/** Files beside the weights that are copied as they are; config.json is written anew for its type of numbers. */
const COPIED = [
  ...[
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'chat_template.jinja',
    'chat_template.json',
  ],
  ...['generation_config.json', 'tokenizer.model', 'vocab.json', 'merges.txt', 'added_tokens.json'],
];

/**
 * Writes a model folder that transformers loads: safetensors with the adapter merged in, config.json and what belongs to the tokenizer.
 * One tensor is in memory at a time; the folder gets its name when it is whole. The engine must have been started. Resolves to the
 * files written.
 * @throws Problem `exportFolder` where the folder holds anything already, and what reading the model throws.
 */
export async function exportModel(
  model: { files: ModelFiles; config: DecoderConfig; source: WeightSource },
  to: string,
  options: ExportOptions,
): Promise<string[]> {
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new Problem('exportFolder', 'the folder is not empty; name a new one, so that nothing is overwritten.', {
      file: resolve(to),
    });
  const partial = `${resolve(to)}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const written = [
      ...(await writeWeights(model, partial, options)),
      ...writeRest(model.files, partial, options.dtype),
    ];
    rmSync(to, { recursive: true, force: true });
    renameSync(partial, to);
    return written;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

async function writeWeights(
  model: { config: DecoderConfig; source: WeightSource },
  to: string,
  { adapter, dtype, shardBytes = 5e9, onTensor }: ExportOptions,
): Promise<string[]> {
  const tensors = tensorList(model.config);
  const shards = inShards(tensors, dtype, shardBytes);
  const written: string[] = [];
  const map: { [name: string]: string } = {};
  let done = 0;
  for (const [i, shard] of shards.entries()) {
    const part = (n: number) => String(n).padStart(5, '0');
    const file =
      shards.length === 1 ? 'model.safetensors' : `model-${part(i + 1)}-of-${part(shards.length)}.safetensors`;
    const toWrite = shard.map((tensor): TensorToWrite => {
      map[tensor.name] = file;
      const read = async () => {
        onTensor?.(done++, tensors.length);
        return merged(model.source.read(tensor.name, tensor.shape), tensor, adapter);
      };
      return { ...tensor, read };
    });
    await writeSafetensors(join(to, file), toWrite, dtype);
    written.push(file);
  }
  if (shards.length > 1) {
    const bytes = tensors.reduce((sum, tensor) => sum + countOf(tensor) * BYTES_EACH[dtype], 0);
    const index = { metadata: { total_size: bytes }, weight_map: Object.fromEntries(Object.entries(map).sort()) };
    writeFileSync(join(to, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
    written.push('model.safetensors.index.json');
  }
  return written;
}

function inShards(tensors: readonly ListedTensor[], dtype: FloatType, most: number): ListedTensor[][] {
  const shards: ListedTensor[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    const bytes = countOf(tensor) * BYTES_EACH[dtype];
    if (size > 0 && size + bytes > most) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(tensor);
    size += bytes;
  }
  return shards;
}

async function merged(values: Float32Array, { linear }: ListedTensor, adapter?: Adapter): Promise<Float32Array> {
  const factors = linear && adapter?.factors[linear.module];
  if (!linear || !factors) return values;
  const product = tf.tidy(() => tf.mul(tf.matMul(factors.a, factors.b), factors.scale));
  const change = (await product.data()) as Float32Array;
  product.dispose();
  const own = linear.inOut ? change : transpose(change, linear.inputs, linear.outputs);
  return values.map((value, i) => value + (own[i] as number));
}

const NAMES: { readonly [type in FloatType]: string } = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** What a GGUF file holds of config and tokenizer is written as transformers has it; a folder's files are copied. */
function writeRest(files: ModelFiles, to: string, dtype: FloatType): string[] {
  const put = (name: string, text: string): string => {
    writeFileSync(join(to, name), text);
    return name;
  };
  const pretty = (json: Json): string => `${JSON.stringify(json, null, 2)}\n`;
  const written = files.kind === 'gguf' ? withPoints(pretty(files.config)) : readFileSync(files.configFile, 'utf8');
  const config = put('config.json', withDtype(written, NAMES[dtype]));
  const folder = files.kind === 'gguf' ? dirname(files.place) : files.place;
  if (files.kind === 'gguf' && files.tokenizerFile === files.place)
    return [
      config,
      put('tokenizer.json', pretty(files.tokenizer)),
      put('tokenizer_config.json', pretty(files.settings)),
    ];
  const copied = COPIED.filter((name) => {
    const path = modelFile(folder, name);
    if (path) copyFileSync(path, join(to, name));
    return path;
  });
  return [config, ...copied];
}

/** config.json with another type of numbers, else as it is: written anew, 3.0 would become 3, which transformers 5 takes for no float. */
function withDtype(config: string, name: string): string {
  const field = /"(torch_dtype|dtype)"\s*:\s*("[^"]*"|null)/;
  return field.test(config)
    ? config.replace(field, (_whole, key: string) => `"${key}": "${name}"`)
    : config.replace('{', `{\n  "dtype": "${name}",`);
}

/** Whole numbers in fields that are floats to transformers get their point. */
function withPoints(config: string): string {
  const fields =
    'rope_theta|rotary_emb_base|rotary_pct|partial_rotary_factor|factor|attention_factor|\\w+_logit_softcapping|\\w+_eps';
  return config.replaceAll(new RegExp(`("(?:${fields})": -?\\d+)(?=[,\\s}])`, 'g'), '$1.0');
}
