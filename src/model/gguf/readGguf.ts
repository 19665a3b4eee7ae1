import { Problem } from '../../base/problem';
import { shownName as shown } from '../shown';
import { ByteReader, type ReadAt } from './byteReader';
import { GGML_TYPES } from './ggmlTypes';

// The GGUF format, versions 2 and 3, little endian: counts, key-value pairs, tensor descriptions, padding, numbers. Our own reader, since
// files are untrusted and the published parser trusts their counts.

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[] | Float32Array;

export interface GgufTensor {
  /** ggml's number of the type; the names of those we know stand in ggmlTypes.ts. */
  type: number;
  /** Slowest first, as everywhere else (the file has them the other way round). */
  shape: readonly number[];
  /** Bytes from the start of the file. */
  start: number;
  end: number;
}

export interface Gguf {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
}

const MAX_HEADER = 256 * 1024 * 1024;
const MAX_DIMENSIONS = 4;
/** The largest models have some thousands of tensors, and some hundred keys. */
const MAX_ENTRIES = 100_000;

/** @throws Problem `gguf` on any count, length, type, shape or range that does not fit the file. */
export function readGguf(readAt: ReadAt, fileSize: number, file: string): Gguf {
  const broken = (what: string) =>
    new Problem('gguf', `${what}; the file is broken or was cut off, fetch it again.`, { file });
  const reader = new ByteReader(readAt, Math.min(fileSize, MAX_HEADER), broken);
  if (reader.u32() !== 0x46554747) throw broken('the file does not begin as a GGUF file does');
  const version = reader.u32();
  if (version !== 2 && version !== 3)
    throw new Problem('gguf', `GGUF version ${version} is not supported; supported: 2 and 3, little endian.`, { file });
  const tensorCount = reader.count('tensors', 24);
  const pairCount = reader.count('key-value pairs', 13);
  if (tensorCount > MAX_ENTRIES || pairCount > MAX_ENTRIES)
    throw broken(`the header claims ${tensorCount} tensors and ${pairCount} key-value pairs`);

  const metadata = new Map<string, GgufValue>();
  const items = { left: MAX_ITEMS };
  for (let i = 0; i < pairCount; i++) {
    const key = reader.text('a key');
    if (metadata.has(key)) throw broken(`the key ${shown(key)} is there twice`);
    metadata.set(key, readValue({ reader, key, broken, items }, reader.u32()));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (
    typeof alignment !== 'number' ||
    !Number.isInteger(alignment) ||
    alignment % 8 !== 0 ||
    alignment < 8 ||
    alignment > 65536
  )
    throw broken(`general.alignment is ${String(alignment)}`);

  const described = new Map<string, { type: number; shape: number[]; offset: number; bytes: number }>();
  for (let i = 0; i < tensorCount; i++) {
    const name = reader.text('a tensor name');
    if (described.has(name)) throw broken(`tensor ${shown(name)} is there twice`);
    described.set(name, readTensor(reader, name, broken));
  }
  const dataStart = Math.ceil(reader.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  let end = dataStart;
  for (const [name, { type, shape, offset, bytes }] of [...described].sort((a, b) => a[1].offset - b[1].offset)) {
    if (offset % alignment !== 0)
      throw broken(`tensor ${shown(name)} begins at ${offset}, no multiple of ${alignment}`);
    const start = dataStart + offset;
    if (start < end) throw broken(`tensor ${shown(name)} overlaps another`);
    end = start + bytes;
    if (end > fileSize) throw broken(`tensor ${shown(name)} ends at byte ${end} of ${fileSize}`);
    tensors.set(name, { type, shape, start, end });
  }
  return { metadata, tensors };
}

function readTensor(reader: ByteReader, name: string, broken: (what: string) => Problem) {
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) throw broken(`tensor ${shown(name)} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => reader.u64()).reverse();
  const count = shape.reduce((a, b) => a * b, 1);
  if (shape.some((size) => size === 0) || !Number.isSafeInteger(count))
    throw broken(`tensor ${shown(name)} has the shape [${shape}]`);
  const type = reader.u32();
  const offset = reader.u64();
  const known = GGML_TYPES.get(type);
  // The length of a type we do not know is not known either; such a tensor takes no room here and is refused when it is read.
  if (!known) return { type, shape, offset, bytes: 0 };
  if ((shape.at(-1) as number) % known.block !== 0)
    throw broken(`tensor ${shown(name)} has rows of ${shape.at(-1)}, no multiple of ${known.block}`);
  return { type, shape, offset, bytes: (count / known.block) * known.bytes };
}

const STRING = 8;
const ARRAY = 9;
/** Bytes that a value of each type takes at least. */
const LEAST = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
const MAX_DEPTH = 4;
/** Of all lists together, lists within lists too. Vocabularies have some hundred thousand, and each has four lists or five. */
const MAX_ITEMS = 8_000_000;

interface Reading {
  reader: ByteReader;
  key: string;
  broken: (what: string) => Problem;
  items: { left: number };
}

function readValue(reading: Reading, type: number, depth = 0): GgufValue {
  const { reader, key, broken, items: rest } = reading;
  switch (type) {
    case 0:
      return reader.u8();
    case 1:
      return (reader.u8() << 24) >> 24;
    case 2:
      return reader.u16();
    case 3:
      return (reader.u16() << 16) >> 16;
    case 4:
      return reader.u32();
    case 5:
      return reader.u32() | 0;
    case 6:
      return reader.f32();
    case 7:
      return readFlag(reading);
    case STRING:
      return reader.text(`the value of ${shown(key)}`);
    case ARRAY: {
      const inner = reader.u32();
      const least = LEAST[inner];
      if (least === undefined || depth >= MAX_DEPTH) throw broken(`the list ${shown(key)} has items of type ${inner}`);
      const count = reader.count(`items of ${shown(key)}`, least);
      rest.left -= count;
      if (rest.left < 0) throw broken(`the list ${shown(key)} claims ${count} items`);
      if (inner === 6) return Float32Array.from({ length: count }, () => reader.f32());
      const items: GgufValue[] = [];
      for (let i = 0; i < count; i++) items.push(readValue(reading, inner, depth + 1));
      return items;
    }
    case 10:
    case 11:
      return reader.wide(type === 11);
    case 12:
      return reader.f64();
  }
  throw broken(`the value of ${shown(key)} has the type ${type}`);
}

function readFlag({ reader, key, broken }: Reading): boolean {
  const value = reader.u8();
  if (value > 1) throw broken(`the value of ${shown(key)} is ${value}, neither true nor false`);
  return value === 1;
}
