import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { BYTES_EACH, encodeFloats } from './encodeFloats';
import type { FloatType } from './safetensors';

export interface TensorToWrite {
  name: string;
  shape: readonly number[];
  /** Its numbers, asked for when its turn comes. */
  read: () => Float32Array | Promise<Float32Array>;
}

/** Writes one safetensors file tensor by tensor; it gets its name when it is whole. Keys have one order, so equal tensors give equal bytes. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  dtype: FloatType,
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  const header: { [name: string]: unknown } = { __metadata__: { format: 'pt' } };
  let size = 0;
  for (const { name, shape } of sorted) {
    const bytes = shape.reduce((a, b) => a * b, 1) * BYTES_EACH[dtype];
    header[name] = { dtype, shape: [...shape], data_offsets: [size, size + bytes] };
    size += bytes;
  }
  // Padded with blanks to 8 bytes, as the reference implementation does, so that the numbers are aligned.
  const json = new TextEncoder().encode(JSON.stringify(header));
  const text = new Uint8Array(json.length + ((8 - (json.length % 8)) % 8)).fill(32);
  text.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const partial = `${path}.partial`;
  const handle = openSync(partial, 'w');
  try {
    writeAll(handle, length);
    writeAll(handle, text);
    for (const { name, shape, read } of sorted) {
      const data = await read();
      const count = shape.reduce((a, b) => a * b, 1);
      if (count !== data.length) throw new Error(`${name}: shape [${shape}] has ${count} numbers, got ${data.length}`);
      writeAll(handle, encodeFloats(data, dtype));
    }
  } catch (error) {
    closeSync(handle);
    rmSync(partial, { force: true });
    throw error;
  }
  closeSync(handle);
  renameSync(partial, path);
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
}
