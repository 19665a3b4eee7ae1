import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { type Adapter, adapterParameters, type LoraFactors, parameterName } from './lora';
import { type DecoderConfig, LINEAR_NAMES } from './model';
import { decodeSafetensors, encodeSafetensors, type TensorData } from './safetensors';
import { linearSizes, modulePath, transpose } from './weights';

// PEFT's folder: adapter_config.json and adapter_model.safetensors, A as [rank, in] and B as [out, rank].

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

type Json = { [key: string]: unknown };

/** The bytes of adapter_model.safetensors; the same adapter always gives the same bytes. */
export async function encodeAdapter(adapter: Adapter): Promise<Uint8Array> {
  const tensors: { [name: string]: TensorData } = {};
  for (const [name, tensor] of Object.entries(adapterParameters(adapter))) {
    const [rows, columns] = tensor.shape;
    const data = (await tensor.data()) as Float32Array;
    tensors[name] = { shape: [columns, rows], data: transpose(data, rows, columns) };
  }
  return encodeSafetensors(tensors);
}

/** Writes an adapter as PEFT reads it. Resolves to the sha256 of its numbers' file. */
export async function saveAdapter(folder: string, adapter: Adapter, about: { baseModel: string }): Promise<string> {
  const { rank, alpha, dropout } = adapter.options;
  const config: Json = {
    alpha_pattern: {},
    base_model_name_or_path: about.baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: {},
    target_modules: targetModules(adapter),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    // An adapter read from an rsLoRA folder keeps its scale, alpha / sqrt(rank).
    use_rslora: adapter.scale !== alpha / rank,
  };
  const bytes = await encodeAdapter(adapter);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, WEIGHTS), bytes);
  writeFileSync(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * An adapter from a PEFT folder. The caller frees it (freeAdapter).
 * @throws Problem `adapter` for anything that is no plain LoRA for this model.
 */
export function loadAdapter(folder: string, config: DecoderConfig): Adapter {
  const file = join(folder, CONFIG);
  const wrong = (what: string, where = file) => new Problem('adapter', what, { file: where });
  const settings = readSettings(folder);
  const plain: Json = { peft_type: 'LORA', bias: 'none', use_dora: false, fan_in_fan_out: false };
  for (const [name, value] of Object.entries(plain))
    if ((settings[name] ?? value) !== value)
      throw wrong(
        `${name} is ${JSON.stringify(settings[name])}; only plain LoRA is supported (${JSON.stringify(value)}).`,
      );
  for (const name of ['rank_pattern', 'alpha_pattern', 'modules_to_save']) {
    const value = settings[name];
    if (value !== null && value !== undefined && Object.keys(value).length > 0)
      throw wrong(`${name} is not supported; every layer must be adapted alike.`);
  }
  const { r: rank, lora_alpha: alpha, lora_dropout: dropout = 0 } = settings;
  if (typeof rank !== 'number' || !Number.isInteger(rank) || rank < 1)
    throw wrong('r must be a whole number of at least 1.');
  if (typeof alpha !== 'number' || !(alpha > 0)) throw wrong('lora_alpha must be a positive number.');
  if (typeof dropout !== 'number') throw wrong('lora_dropout must be a number.');

  const path = join(folder, WEIGHTS);
  if (!existsSync(path)) throw wrong(`${WEIGHTS} is missing.`, folder);
  const tensors = decodeSafetensors(readFileSync(path), path);
  const sizes = linearSizes(config);
  const made: tf.Tensor[] = [];
  const read = (name: string, rows: number, columns: number): tf.Tensor2D => {
    const found = tensors[name];
    if (!found) throw wrong(`tensor ${name} is missing.`, path);
    if (found.shape.join() !== [rows, columns].join())
      throw wrong(`tensor ${name} has the shape [${found.shape}], this model needs [${rows},${columns}].`, path);
    delete tensors[name];
    const tensor = tf.tensor2d(transpose(found.data, rows, columns), [columns, rows]);
    made.push(tensor);
    return tensor;
  };
  // target_modules may be names, paths or a pattern; which layers are adapted is read from the file of numbers itself.
  const factors: { [module: string]: LoraFactors } = {};
  try {
    for (let layer = 0; layer < config.layers; layer++)
      for (const name of LINEAR_NAMES) {
        const module = `model.layers.${layer}.${modulePath(name)}`;
        if (!tensors[parameterName(module, 'A')]) continue;
        const { inputs, outputs } = sizes[name];
        const a = read(parameterName(module, 'A'), rank, inputs);
        factors[module] = { a, b: read(parameterName(module, 'B'), outputs, rank) };
      }
    const [left] = Object.keys(tensors);
    if (left !== undefined) throw wrong(`tensor ${left} fits no layer of this model.`, path);
    if (made.length === 0) throw wrong('the file holds no tensor.', path);
  } catch (error) {
    tf.dispose(made);
    throw error;
  }
  const targets = LINEAR_NAMES.filter((name) => Object.keys(factors).some((module) => module.endsWith(name)));
  const scale = alpha / (settings['use_rslora'] === true ? Math.sqrt(rank) : rank);
  return { options: { rank, alpha, dropout, targets }, scale, factors };
}

/** Names where every layer is adapted alike, else whole paths: PEFT takes both. */
function targetModules(adapter: Adapter): string[] {
  const modules = Object.keys(adapter.factors);
  const names = LINEAR_NAMES.filter((name) => modules.some((module) => module.endsWith(name)));
  const layers = new Set(modules.map((module) => module.split('.')[2]));
  return modules.length === names.length * layers.size && layers.size > 1 ? names : modules;
}

function readSettings(folder: string): Json {
  const file = join(folder, CONFIG);
  if (!existsSync(file))
    throw new Problem('adapter', `${CONFIG} is missing; this is no PEFT adapter.`, { file: folder });
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('adapter', 'the file must hold one JSON object.', { file });
}
