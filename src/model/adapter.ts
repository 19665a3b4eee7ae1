import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { Fields } from './fields';
import { linearLayers, modulePath } from './linearLayers';
import { type Adapter, adapterParameters, parameterName } from './lora';
import type { DecoderConfig, LoraFactors } from './model';
import { modelFile } from './modelFile';
import { decodeSafetensors, encodeSafetensors, type TensorData } from './safetensors';
import { transpose } from './weights';

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
export async function saveAdapter(
  folder: string,
  adapter: Adapter,
  about: { config: DecoderConfig; baseModel: string },
): Promise<string> {
  const { rank, alpha, dropout } = adapter.options;
  const config: Json = {
    alpha_pattern: adapter.patterns?.alpha ?? {},
    base_model_name_or_path: about.baseModel,
    bias: 'none',
    fan_in_fan_out: about.config.family.stored === 'inOut',
    inference_mode: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: adapter.patterns?.rank ?? {},
    target_modules: targetModules(about.config, adapter),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: adapter.rslora === true,
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
  refuseOthers(settings, wrong);
  const fields = new Fields(settings, file);
  const rank = fields.count('r');
  const alpha = fields.number('lora_alpha');
  const dropout = settings['lora_dropout'] ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0) || dropout >= 1)
    throw wrong('lora_dropout must be a number from 0 to below 1.');
  const rslora = fields.flag('use_rslora', false);
  const patterns = { rank: readPattern(fields, 'rank_pattern'), alpha: readPattern(fields, 'alpha_pattern') };

  const path = modelFile(folder, WEIGHTS);
  if (!path) throw wrong(`${WEIGHTS} is missing.`, folder);
  const tensors = new Map(Object.entries(decodeSafetensors(readFileSync(path), path)));
  const made: tf.Tensor[] = [];
  const read = (name: string, rows: number, columns: number): tf.Tensor2D => {
    const found = tensors.get(name);
    if (!found) throw wrong(`tensor ${name} is missing.`, path);
    if (found.shape.join() !== [rows, columns].join())
      throw wrong(`tensor ${name} has the shape [${found.shape}], this model needs [${rows},${columns}].`, path);
    tensors.delete(name);
    const tensor = tf.tensor2d(transpose(found.data, rows, columns), [columns, rows]);
    made.push(tensor);
    return tensor;
  };
  // target_modules may be names, paths or a pattern; which layers are adapted is read from the file of numbers itself.
  const factors: { [module: string]: LoraFactors } = {};
  const targets = new Set<string>();
  try {
    for (let layer = 0; layer < config.layers; layer++)
      for (const { path: name, inputs, outputs } of linearLayers(config)) {
        const module = modulePath(config, layer, name);
        if (!tensors.has(parameterName(module, 'A'))) continue;
        const own = { rank: match(patterns.rank, module) ?? rank, alpha: match(patterns.alpha, module) ?? alpha };
        const a = read(parameterName(module, 'A'), own.rank, inputs);
        const b = read(parameterName(module, 'B'), outputs, own.rank);
        factors[module] = { a, b, scale: own.alpha / (rslora ? Math.sqrt(own.rank) : own.rank) };
        targets.add(name);
      }
    const [left] = tensors.keys();
    if (left !== undefined) throw wrong(`tensor ${left} fits no layer of this model.`, path);
    if (made.length === 0) throw wrong('the file holds no tensor.', path);
  } catch (error) {
    tf.dispose(made);
    throw error;
  }
  return { options: { rank, alpha, dropout, targets: [...targets] }, factors, rslora, patterns };
}

/** What would make an adapter compute something else than plain LoRA. An entry that is null, false or empty is as good as absent. */
const OTHERS: { readonly [field: string]: string } = {
  use_dora: 'DoRA (weights split in magnitude and direction) is not supported; train or merge it as plain LoRA.',
  modules_to_save:
    'whole layers saved beside the factors (modules_to_save) are not supported; merge the adapter into the model first.',
  ...Object.fromEntries(
    [
      ...['lora_bias', 'layer_replication', 'trainable_token_indices', 'target_parameters', 'use_qalora', 'use_bdlora'],
      ...['alora_invocation_tokens', 'arrow_config', 'kasa_config', 'velora_config', 'monteclora_config'],
      ...['megatron_config', 'loftq_config', 'corda_config'],
    ].map((name) => [name, `${name} is set; only plain LoRA is supported.`]),
  ),
};
const PLAIN_STARTS = [true, false, 'true', 'gaussian', 'orthogonal', 'eva'];

function refuseOthers(settings: Json, wrong: (what: string) => Problem): void {
  if ((settings['peft_type'] ?? 'LORA') !== 'LORA')
    throw wrong(`peft_type is ${JSON.stringify(settings['peft_type'])}; only LORA is supported.`);
  if ((settings['bias'] ?? 'none') !== 'none')
    throw wrong(
      `bias is ${JSON.stringify(settings['bias'])}; only adapters without trained biases ("none") are supported.`,
    );
  for (const [name, text] of Object.entries(OTHERS)) {
    const value = settings[name];
    const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (value !== undefined && value !== null && value !== false && !empty) throw wrong(text);
  }
  const start = settings['init_lora_weights'] ?? true;
  if (!PLAIN_STARTS.some((known) => known === start))
    throw wrong(
      `init_lora_weights is ${JSON.stringify(start)}, which changes the base model; convert it to plain LoRA when saving.`,
    );
}

/** rank_pattern or alpha_pattern: numbers by the end of a module's path. PEFT takes patterns too; plain paths are all we follow. */
function readPattern(fields: Fields, name: string): { readonly [path: string]: number } {
  const pattern = fields.object(name);
  if (!pattern) return {};
  return Object.fromEntries(
    pattern.keys().map((key) => {
      if (!/^\^?[\w.]+$/.test(key)) throw fields.wrong(name, 'an object whose keys are plain paths of modules');
      return [key, name === 'rank_pattern' ? pattern.count(key) : pattern.number(key)];
    }),
  );
}

/** The first entry whose key is the module's path or the end of it. */
function match(pattern: { readonly [path: string]: number }, module: string): number | undefined {
  const fits = (key: string) => (key.startsWith('^') ? module === key.slice(1) : `.${module}`.endsWith(`.${key}`));
  return Object.entries(pattern).find(([key]) => fits(key))?.[1];
}

/** Names where every layer is adapted alike, else whole paths: PEFT takes both. */
function targetModules(config: DecoderConfig, adapter: Adapter): string[] {
  const modules = Object.keys(adapter.factors);
  const layers = linearLayers(config).filter(({ path }) => modules.includes(modulePath(config, 0, path)));
  const names = [...new Set(layers.map(({ path }) => path.split('.').at(-1) as string))];
  const named = linearLayers(config).filter(({ path }) => names.includes(path.split('.').at(-1) as string));
  // A name means every layer that ends in it.
  return modules.length === named.length * config.layers && config.layers > 1 ? names : modules;
}

function readSettings(folder: string): Json {
  const file = modelFile(folder, CONFIG);
  if (!file) throw new Problem('adapter', `${CONFIG} is missing; this is no PEFT adapter.`, { file: folder });
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('adapter', 'the file must hold one JSON object.', { file });
}
