import { Problem } from '../base/problem';
import { encodeFloats } from './encodeFloats';
import { repeatedKey } from './repeatedKey';
import { shownName, shownValue } from './shown';

// The safetensors format: 8 bytes header length (little endian), a JSON header, then the numbers, packed without gaps.

export type FloatType = 'F32' | 'F16' | 'BF16';
/** Bytes per number of every type the format has. Files may hold types we do not read, in tensors we do not need. */
const BYTES: { readonly [dtype: string]: number } = {
  ...{ F32: 4, F16: 2, BF16: 2, F64: 8, F8_E4M3: 1, F8_E5M2: 1, BOOL: 1 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1 },
};
/** The limit of the reference implementation, against headers made to exhaust memory. */
const MAX_HEADER = 100_000_000;

export interface TensorEntry {
  /** Any type of the format; decodeTensor reads the floats. */
  dtype: string;
  shape: number[];
  /** Bytes from the start of the file. */
  start: number;
  end: number;
}
export interface TensorData {
  shape: readonly number[];
  data: Float32Array;
}

/**
 * Reads the header. `bytes` must hold at least the header; `fileSize` is the whole file's.
 * @throws Problem `safetensors` on any length, range, type or shape that does not fit.
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileSize: number, file: string): Map<string, TensorEntry> {
  const wrong = (what: string) =>
    new Problem('safetensors', `${what}; the file is broken or was cut off, fetch it again.`, { file });
  const dataStart = 8 + safetensorsHeaderLength(bytes, fileSize, file);
  let header: unknown;
  let text: string;
  try {
    // A byte order mark is no JSON.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, dataStart));
    header = JSON.parse(text);
  } catch {
    throw wrong('the header is not JSON');
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw wrong(`the header has ${shownName(twice)} twice`);
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw wrong('the header is not an object');
  const entries = new Map<string, TensorEntry>();
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const name = shownName(key);
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as { [key: string]: unknown };
    const bytesEach = typeof dtype === 'string' && Object.hasOwn(BYTES, dtype) ? BYTES[dtype] : undefined;
    if (typeof dtype !== 'string' || bytesEach === undefined)
      throw wrong(`tensor ${name} has the type ${shownValue(dtype)}`);
    if (!isCounts(shape)) throw wrong(`tensor ${name} has the shape ${shownValue(shape)}`);
    if (!isCounts(offsets) || offsets.length !== 2) throw wrong(`tensor ${name} has the range ${shownValue(offsets)}`);
    const [from, to] = offsets as [number, number];
    const size = shape.reduce((a, b) => a * b, 1) * bytesEach;
    if (to - from !== size) throw wrong(`tensor ${name} should take ${size} bytes and takes ${to - from}`);
    if (dataStart + to > fileSize) throw wrong(`tensor ${name} ends at byte ${dataStart + to} of ${fileSize}`);
    entries.set(key, { dtype, shape, start: dataStart + from, end: dataStart + to });
  }
  const sorted = [...entries].sort((a, b) => a[1].start - b[1].start || a[1].end - b[1].end);
  let end = dataStart;
  for (const [name, entry] of sorted) {
    if (entry.start !== end) throw wrong(`tensor ${shownName(name)} overlaps another or leaves a gap`);
    end = entry.end;
  }
  if (end !== fileSize) throw wrong(`${fileSize - end} bytes belong to no tensor`);
  return entries;
}

/** Length of the JSON header in bytes. `bytes`: the first 8 bytes at least. */
export function safetensorsHeaderLength(bytes: Uint8Array, fileSize: number, file: string): number {
  const wrong = (what: string) =>
    new Problem('safetensors', `${what}; the file is broken or was cut off, fetch it again.`, { file });
  if (bytes.length < 8) throw wrong(`${bytes.length} bytes are no safetensors file`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > fileSize) throw wrong(`the header claims ${length} bytes of ${fileSize}`);
  return length;
}

/** All tensors of a whole file in memory. */
export function decodeSafetensors(bytes: Uint8Array, file = 'safetensors'): { [name: string]: TensorData } {
  const entries = parseSafetensorsHeader(bytes, bytes.length, file);
  return Object.fromEntries(
    [...entries].map(([name, { dtype, shape, start, end }]) => [
      name,
      { shape, data: decodeTensor(bytes.subarray(start, end), { name, dtype, file }) },
    ]),
  );
}

/** One tensor's bytes as float32. @throws Problem `safetensors` for a type that is no float of 16 or 32 bits. */
export function decodeTensor(bytes: Uint8Array, about: { name: string; dtype: string; file: string }): Float32Array {
  return decodeFloats(bytes, floatType(about));
}

/** @throws Problem `safetensors` for a type that is no float of 16 or 32 bits. */
export function floatType({ name, dtype, file }: { name: string; dtype: string; file: string }): FloatType {
  if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') return dtype;
  throw new Problem('safetensors', `tensor ${shownName(name)} has the type ${dtype}; supported: F32, F16, BF16.`, {
    file,
  });
}

/** A whole file. Names are sorted and keys have one order, so equal tensors give equal bytes. */
export function encodeSafetensors(tensors: {
  readonly [name: string]: TensorData & { dtype?: FloatType };
}): Uint8Array {
  const header: { [name: string]: unknown } = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data, dtype = 'F32' } = tensors[name]!;
    const count = shape.reduce((a, b) => a * b, 1);
    if (count !== data.length) throw new Error(`${name}: shape [${shape}] has ${count} numbers, got ${data.length}`);
    const part = encodeFloats(data, dtype);
    header[name] = { dtype, shape: [...shape], data_offsets: [size, size + part.length] };
    parts.push(part);
    size += part.length;
  }
  // Padded with blanks to 8 bytes, as the reference implementation does, so that the numbers are aligned.
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8));
  const bytes = new Uint8Array(8 + text.length + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  let at = 8 + text.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

let halfTable: Float32Array | undefined;

/** F32, F16 or BF16 bytes (little endian) as float32. */
export function decodeFloats(bytes: Uint8Array, dtype: FloatType): Float32Array {
  // A copy, so that its buffer begins where the numbers do (slice of Node's Buffer would be a view).
  const aligned = new Uint8Array(bytes);
  if (dtype === 'F32') return new Float32Array(aligned.buffer);
  const bits = new Uint16Array(aligned.buffer);
  const result = new Float32Array(bits.length);
  if (dtype === 'BF16') {
    const words = new Uint32Array(result.buffer);
    for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  } else {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, half) => halfToFloat(half));
    for (let i = 0; i < bits.length; i++) result[i] = halfTable[bits[i]!]!;
  }
  return result;
}

function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
