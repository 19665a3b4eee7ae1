import type { FloatType } from './safetensors';

export const BYTES_EACH: { readonly [type in FloatType]: number } = { F32: 4, F16: 2, BF16: 2 };

/** Numbers as bytes, little endian; rounded to nearest, ties to even, as IEEE 754 and PyTorch do. */
export function encodeFloats(data: Float32Array, dtype: FloatType): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(data.slice().buffer);
  const words = new Int32Array(data.buffer, data.byteOffset, data.length);
  const bits = new Uint16Array(data.length);
  if (dtype === 'F16') for (let i = 0; i < data.length; i++) bits[i] = half(words[i]!, data[i]!);
  else for (let i = 0; i < data.length; i++) bits[i] = brain(words[i]!);
  return new Uint8Array(bits.buffer);
}

function brain(word: number): number {
  const noNumber = (word & 0x7fffffff) > 0x7f800000;
  return noNumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

function half(word: number, value: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(value) * 2 ** 24);
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
