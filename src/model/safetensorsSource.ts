import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { Problem } from '../base/problem';
import { checkFinite } from './checkFinite';
import { modelFile } from './modelFile';
import { readFloats, readRange, roomFor } from './readFloats';
import {
  decodeFloats,
  floatType,
  parseSafetensorsHeader,
  safetensorsHeaderLength,
  type TensorEntry,
} from './safetensors';
import { shownName, shownValue } from './shown';
import type { SixteenBits, WeightSource } from './weightSource';

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
    readRange(handle, 0, first);
    const head = new Uint8Array(8 + safetensorsHeaderLength(first, size, path));
    if (readRange(handle, 0, head) < head.length) throw cutOff(path);
    for (const [name, entry] of parseSafetensorsHeader(head, size, path)) {
      if (this.entries.has(name))
        throw new Problem('weights', `tensor ${shownName(name)} is in two files.`, { file: path });
      this.entries.set(name, { ...entry, path });
    }
  }

  names(): readonly string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  sixteenBits(name: string): SixteenBits | undefined {
    const kind = SIXTEEN_BITS.get(this.entries.get(name)?.dtype);
    return kind && { kind, read: (shape) => this.bytes(name, shape) };
  }

  read(name: string, shape: readonly number[]): Float32Array {
    const { path, type, start, end, handle } = this.found(name, shape);
    const block = { bytes: type === 'F32' ? 4 : 2, numbers: 1 };
    const values = readFloats(
      { handle, file: path, name, start, end, block },
      (bytes, out) => out.set(decodeFloats(bytes, type)),
      () => cutOff(path),
    );
    return checkFinite(values, name, path);
  }

  private bytes(name: string, shape: readonly number[]): Uint8Array {
    const { path, type, start, end, handle } = this.found(name, shape);
    const bytes = roomFor({ name, file: path }, (count) => new Uint8Array(count), end - start);
    if (readRange(handle, start, bytes) < bytes.length) throw cutOff(path);
    const exponent = type === 'F16' ? 0x7c00 : 0x7f80;
    const bits = new Uint16Array(bytes.buffer);
    let broken = false;
    for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & exponent) === exponent) broken = true;
    if (broken) checkFinite(decodeFloats(bytes, type), name, path);
    return bytes;
  }

  private found(name: string, shape: readonly number[]) {
    const entry = this.entries.get(name);
    if (!entry)
      throw new Problem('weights', `tensor ${name} is missing; config.json and the weights do not belong together.`, {
        file: this.place,
      });
    const { path, dtype } = entry;
    if (entry.shape.join() !== shape.join())
      throw new Problem('weights', `tensor ${name} has the shape [${entry.shape}], config.json asks for [${shape}].`, {
        file: path,
      });
    const type = floatType({ name, dtype, file: path });
    const handle = this.open.get(path);
    if (handle === undefined) throw new Error(`${path} is closed`);
    return { ...entry, type, handle };
  }

  close(): void {
    for (const handle of this.open.values()) closeSync(handle);
    this.open.clear();
  }
}

const SIXTEEN_BITS: ReadonlyMap<string | undefined, SixteenBits['kind']> = new Map([
  ['BF16', 'bfloat16'],
  ['F16', 'float16'],
]);

const cutOff = (file: string) => new Problem('safetensors', 'the file was cut off; fetch it again.', { file });

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
  const files = [...new Set(Object.values(map))];
  for (const file of files) {
    // The index comes with the model: it must not lead out of its folder.
    if (typeof file !== 'string' || /[\\/]/.test(file))
      throw new Problem('weights', `the index names the file ${shownValue(file)}, which is no plain name.`, {
        file: index,
      });
    if (!modelFile(folder, file))
      throw new Problem('weights', `${file}, which the index lists, is missing.`, { file: index });
  }
  return (files as string[]).sort();
}
