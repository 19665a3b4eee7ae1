import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import {
  type DecoderConfig,
  type LayerWeights,
  LINEAR_NAMES,
  type Linear,
  type LinearName,
  type Weights,
} from './model';
import { decodeTensor, parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from './safetensors';

/** The file's path of a linear layer inside `model.layers.N`. */
export function modulePath(name: LinearName): string {
  return `${/^[qkvo]_/.test(name) ? 'self_attn' : 'mlp'}.${name}`;
}

/** Reads single tensors out of one or several safetensors files, so that no more than one is in memory twice. */
class TensorFiles {
  private readonly entries = new Map<string, TensorEntry & { file: string }>();
  private readonly open = new Map<string, number>();

  constructor(readonly folder: string) {
    for (const file of weightFiles(folder)) {
      const path = join(folder, file);
      const handle = openSync(path, 'r');
      this.open.set(file, handle);
      const size = fstatSync(handle).size;
      const first = new Uint8Array(Math.min(8, size));
      readSync(handle, first, 0, first.length, 0);
      const head = new Uint8Array(8 + safetensorsHeaderLength(first, size, path));
      readSync(handle, head, 0, head.length, 0);
      for (const [name, entry] of parseSafetensorsHeader(head, size, path)) this.entries.set(name, { ...entry, file });
    }
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  read(name: string, shape: readonly number[]): Float32Array {
    const entry = this.entries.get(name);
    if (!entry)
      throw new Problem('weights', `tensor ${name} is missing; config.json and the weights do not belong together.`, {
        file: this.folder,
      });
    if (entry.shape.join() !== shape.join())
      throw new Problem('weights', `tensor ${name} has the shape [${entry.shape}], config.json asks for [${shape}].`, {
        file: join(this.folder, entry.file),
      });
    const bytes = new Uint8Array(entry.end - entry.start);
    const handle = this.open.get(entry.file);
    if (handle === undefined) throw new Error(`${entry.file} is closed`);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(handle, bytes, done, bytes.length - done, entry.start + done);
      if (count === 0)
        throw new Problem('safetensors', 'the file was cut off.', { file: join(this.folder, entry.file) });
      done += count;
    }
    return decodeTensor(bytes, { name, dtype: entry.dtype, file: join(this.folder, entry.file) });
  }

  close(): void {
    for (const handle of this.open.values()) closeSync(handle);
    this.open.clear();
  }
}

/** Names of a model folder's weight files: one, or the shards that the index lists. */
export function weightFiles(folder: string): string[] {
  if (existsSync(join(folder, 'model.safetensors'))) return ['model.safetensors'];
  const index = join(folder, 'model.safetensors.index.json');
  if (!existsSync(index))
    throw new Problem('weights', 'neither model.safetensors nor model.safetensors.index.json is there.', {
      file: folder,
    });
  let map: unknown;
  try {
    map = (JSON.parse(readFileSync(index, 'utf8')) as { weight_map?: unknown }).weight_map;
  } catch {
    throw new Problem('weights', 'the index is not JSON; fetch it again.', { file: index });
  }
  if (typeof map !== 'object' || map === null)
    throw new Problem('weights', 'the index has no weight_map; fetch it again.', { file: index });
  const files = [...new Set(Object.values(map))].sort();
  for (const file of files) {
    // The index comes with the model: it must not lead out of its folder.
    if (typeof file !== 'string' || /[\\/]/.test(file))
      throw new Problem('weights', `the index names the file ${JSON.stringify(file)}, which is no plain name.`, {
        file: index,
      });
    if (!existsSync(join(folder, file)))
      throw new Problem('weights', `${file}, which the index lists, is missing.`, { file: index });
  }
  return files as string[];
}

/**
 * All weights in float32, tensor by tensor. The caller owns them: see freeWeights.
 * @throws Problem `weights` or `safetensors`.
 */
export function loadWeights(folder: string, config: DecoderConfig): Weights {
  const made: tf.Tensor[] = [];
  const keep = <T extends tf.Tensor>(tensor: T): T => {
    made.push(tensor);
    return tensor;
  };
  const files = new TensorFiles(folder);
  try {
    const vector = (name: string, size: number) => keep(tf.tensor1d(files.read(name, [size])));
    const transposed = (name: string, rows: number, columns: number) =>
      keep(tf.tensor2d(transpose(files.read(name, [rows, columns]), rows, columns), [columns, rows]));
    const { hiddenSize: d, vocabularySize: v } = config;
    const sizes = linearSizes(config);
    const layer = (n: number): LayerWeights => {
      const linear = (name: LinearName): Linear => {
        const { inputs, outputs, bias } = sizes[name];
        const path = `model.layers.${n}.${modulePath(name)}`;
        if (!bias && files.has(`${path}.bias`))
          throw new Problem('weights', `tensor ${path}.bias is there although config.json asks for no bias.`, {
            file: folder,
          });
        return {
          weight: transposed(`${path}.weight`, outputs, inputs),
          ...(bias ? { bias: vector(`${path}.bias`, outputs) } : {}),
        };
      };
      return {
        inputNorm: vector(`model.layers.${n}.input_layernorm.weight`, d),
        postNorm: vector(`model.layers.${n}.post_attention_layernorm.weight`, d),
        linear: Object.fromEntries(LINEAR_NAMES.map((name) => [name, linear(name)])) as {
          [name in LinearName]: Linear;
        },
      };
    };
    const rows = files.read('model.embed_tokens.weight', [v, d]);
    return {
      embedding: keep(tf.tensor2d(rows, [v, d])),
      head: config.tied ? keep(tf.tensor2d(transpose(rows, v, d), [d, v])) : transposed('lm_head.weight', v, d),
      norm: vector('model.norm.weight', d),
      layers: Array.from({ length: config.layers }, (_, n) => layer(n)),
    };
  } catch (error) {
    tf.dispose(made);
    throw error;
  } finally {
    files.close();
  }
}

/** Sizes of the seven linear layers of each block, and whether they have a bias. */
export function linearSizes(config: DecoderConfig): {
  [name in LinearName]: { inputs: number; outputs: number; bias: boolean };
} {
  const { hiddenSize: d, intermediateSize: f, heads, keyValueHeads, headDim, attentionBias, mlpBias } = config;
  const q = { inputs: d, outputs: heads * headDim, bias: attentionBias };
  const kv = { inputs: d, outputs: keyValueHeads * headDim, bias: attentionBias };
  const up = { inputs: d, outputs: f, bias: mlpBias };
  return {
    q_proj: q,
    k_proj: kv,
    v_proj: kv,
    o_proj: { inputs: heads * headDim, outputs: d, bias: attentionBias },
    gate_proj: up,
    up_proj: up,
    down_proj: { inputs: f, outputs: d, bias: mlpBias },
  };
}

export function freeWeights(weights: Weights): void {
  tf.dispose([weights.embedding, weights.head, weights.norm]);
  for (const layer of weights.layers) {
    tf.dispose([layer.inputNorm, layer.postNorm]);
    for (const name of LINEAR_NAMES) tf.dispose([layer.linear[name].weight, layer.linear[name].bias ?? []]);
  }
}

/** [rows, columns] -> [columns, rows], by blocks that fit the processor's cache. */
export function transpose(from: Float32Array, rows: number, columns: number): Float32Array {
  const to = new Float32Array(from.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block)
    for (let c0 = 0; c0 < columns; c0 += block) {
      const r1 = Math.min(rows, r0 + block);
      const c1 = Math.min(columns, c0 + block);
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c]!;
    }
  return to;
}
