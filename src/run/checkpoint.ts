import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { isFile, makeFolder, namesIn, readJson, writeAtomic, writeJson } from '../base/files';
import { Problem } from '../base/problem';
import { loadAdapter, saveAdapter } from '../model/adapter';
import type { Adapter } from '../model/lora';
import type { DecoderConfig } from '../model/model';
import { decodeSafetensors, encodeSafetensors, type TensorData } from '../model/safetensors';
import { checkpointFolder, runFile } from '../records/runFolder';
import type { AdamW, TensorRecord } from '../tensor/optimizer';

const OPTIMIZER = 'optimizer.safetensors';
const POSITION = 'position.json';
const PARTIAL = 'partial';

/** What a training has come to: the adapter and the optimizer after `step` steps. Every random number follows from seed and step. */
export interface TrainState {
  step: number;
  adapter: Adapter;
  optimizer: AdamW;
}

/** Writes a checkpoint beside the others and moves it to its name at the end, so that one with a name is always whole. Returns its place and the adapter's sha256. */
export async function saveCheckpoint(
  run: string,
  state: TrainState,
  about: { config: DecoderConfig; baseModel: string; keep: number },
): Promise<{ folder: string; adapterSha256: string }> {
  const partial = join(runFile(run, 'checkpoints'), PARTIAL);
  rmSync(partial, { recursive: true, force: true });
  makeFolder(partial);
  const adapterSha256 = await saveAdapter(partial, state.adapter, about);
  writeAtomic(join(partial, OPTIMIZER), await encodeOptimizer(state.optimizer));
  writeJson(join(partial, POSITION), { step: state.step, adapterSha256 });
  const folder = checkpointFolder(run, state.step);
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
  for (const step of savedSteps(run).slice(0, -about.keep)) rmSync(checkpointFolder(run, step), { recursive: true });
  return { folder: relative(run, folder).replaceAll('\\', '/'), adapterSha256 };
}

/** Steps of the whole checkpoints, lowest first. */
export function savedSteps(run: string): number[] {
  const checkpoints = runFile(run, 'checkpoints');
  return namesIn(checkpoints)
    .map((name) => /^step-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .filter((step) => isFile(join(checkpointFolder(run, step), POSITION)))
    .sort((a, b) => a - b);
}

/** Goes back to the checkpoint of a step. The caller frees the adapter and closes the optimizer. */
export async function loadCheckpoint(
  run: string,
  step: number,
  config: DecoderConfig,
  optimizer: AdamW,
): Promise<TrainState> {
  const folder = checkpointFolder(run, step);
  const position = readJson(join(folder, POSITION)) as { step?: unknown };
  if (position.step !== step)
    throw new Problem(
      'checkpointBroken',
      `The checkpoint ${folder} says it belongs to step ${position.step}; remove it.`,
      {
        file: folder,
      },
    );
  const file = join(folder, OPTIMIZER);
  const moments = Object.fromEntries(
    Object.entries(decodeSafetensors(readFileSync(file), file)).map(([name, { shape, data }]) => [
      name,
      tf.tensor(data, [...shape]),
    ]),
  );
  await optimizer.fromTensors(moments);
  tf.dispose(moments);
  return { step, adapter: loadAdapter(folder, config), optimizer };
}

async function encodeOptimizer(optimizer: AdamW): Promise<Uint8Array> {
  const tensors: TensorRecord = optimizer.toTensors();
  const values: { [name: string]: TensorData } = {};
  for (const [name, tensor] of Object.entries(tensors))
    values[name] = { shape: tensor.shape, data: (await tensor.data()) as Float32Array };
  tf.dispose(tensors);
  return encodeSafetensors(values);
}
