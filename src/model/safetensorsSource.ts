import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { Problem } from '../base/problem';
import { checkFinite } from './checkFinite';
import { modelFile } from './modelFile';
import { decodeTensor, parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from './safetensors';
import type { WeightSource } from './weightSource';

/** Single tensors out of a folder's safetensors files, by ranged reads: no more than one tensor is in JavaScript memory. */
export class SafetensorsSource implements WeightSource {
  private readonly entries = new Map<string, TensorEntry & { path: string }>();
  private readonly open = new Map<string, number>();

  constructor(readonly place: string) {
    try {
      for (const file of weightFiles(place)) this.add(file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private add(file: string): void {
    const path = modelFile(this.place, file);
    if (!path) throw new Problem('weights', `${file} is missing.`, { file: this.place });
    const handle = openSync(path, 'r');
    this.open.set(path, handle);
    const size = fstatSync(handle).size;
    const first = new Uint8Array(Math.min(8, size));
    readSync(handle, first, 0, first.length, 0);
    const head = new Uint8Array(8 + safetensorsHeaderLength(first, size, path));
    readSync(handle, head, 0, head.length, 0);
    for (const [name, entry] of parseSafetensorsHeader(head, size, path)) {
      if (this.entries.has(name)) throw new Problem('weights', `tensor ${name} is in two files.`, { file: path });
      this.entries.set(name, { ...entry, path });
    }
  }

  names(): readonly string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  read(name: string, shape: readonly number[]): Float32Array {
    const entry = this.entries.get(name);
    if (!entry)
      throw new Problem('weights', `tensor ${name} is missing; config.json and the weights do not belong together.`, {
        file: this.place,
      });
    const { path, dtype, start, end } = entry;
    if (entry.shape.join() !== shape.join())
      throw new Problem('weights', `tensor ${name} has the shape [${entry.shape}], config.json asks for [${shape}].`, {
        file: path,
      });
    const bytes = new Uint8Array(end - start);
    const handle = this.open.get(path);
    if (handle === undefined) throw new Error(`${path} is closed`);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(handle, bytes, done, bytes.length - done, start + done);
      if (count === 0) throw new Problem('safetensors', 'the file was cut off.', { file: path });
      done += count;
    }
    return checkFinite(decodeTensor(bytes, { name, dtype, file: path }), name, path);
  }

  close(): void {
    for (const handle of this.open.values()) closeSync(handle);
    this.open.clear();
  }
}

/** Names of a model folder's weight files: one, or the shards that the index lists. */
export function weightFiles(folder: string): string[] {
  if (modelFile(folder, 'model.safetensors')) return ['model.safetensors'];
  const index = modelFile(folder, 'model.safetensors.index.json');
  if (!index)
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
    if (!modelFile(folder, file))
      throw new Problem('weights', `${file}, which the index lists, is missing.`, { file: index });
  }
  return files as string[];
}
