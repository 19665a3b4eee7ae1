/** A value of a GGUF file's metadata: texts, flags, lists of flags; numbers are written as 32-bit floats. */
export type Written = string | number | boolean | readonly boolean[];

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
function written(value: Written): Buffer {
  if (typeof value === 'string') return Buffer.concat([u32(8), text(value)]);
  if (typeof value === 'boolean') return Buffer.concat([u32(7), Buffer.of(Number(value))]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return Buffer.concat([u32(6), bytes]);
  }
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([u32(9), u32(7), count, Buffer.from(value.map(Number))]);
}

/** A GGUF file with more metadata in front; one with a key that the file has already loses the latter. */
export function ggufEdited(original: Uint8Array, keys: { readonly [key: string]: Written }): Buffer {
  const bytes = Buffer.from(original);
  for (const key of Object.keys(keys)) {
    const at = bytes.indexOf(text(key));
    if (at >= 0) bytes.write('~', at + 8, 'latin1');
  }
  const pairs = Object.entries(keys).map(([key, value]) => Buffer.concat([text(key), written(value)]));
  // The numbers behind are aligned to 32 bytes, so a last key fills up.
  const length = pairs.reduce((sum, pair) => sum + pair.length, 0);
  const filler = Buffer.concat([text('fill'), u32(8)]);
  pairs.push(Buffer.concat([filler, text('.'.repeat(31 - ((length + filler.length + 8 + 31) % 32)))]));
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(16) + BigInt(pairs.length), 16);
  return Buffer.concat([bytes.subarray(0, 24), ...pairs, bytes.subarray(24)]);
}
