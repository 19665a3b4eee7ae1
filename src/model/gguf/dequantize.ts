import { decodeFloats } from '../safetensors';

// ggml's block formats (ggml-quants.c): each block is laid out as its comment says; `half` is a 16-bit float.

type Decode = (bytes: Uint8Array, out: Float32Array) => void;

/** The types we read, by ggml's names. */
export const decoders: { readonly [name: string]: Decode } = {
  F32: (bytes, out) => out.set(decodeFloats(bytes, 'F32')),
  F16: (bytes, out) => out.set(decodeFloats(bytes, 'F16')),
  BF16: (bytes, out) => out.set(decodeFloats(bytes, 'BF16')),
  Q4_0: blocks(18, 32, q4_0),
  Q4_1: blocks(20, 32, q4_1),
  Q5_0: blocks(22, 32, q5_0),
  Q5_1: blocks(24, 32, q5_1),
  Q8_0: blocks(34, 32, q8_0),
  Q4_K: blocks(144, 256, q4_k),
  Q5_K: blocks(176, 256, q5_k),
  Q6_K: blocks(210, 256, q6_k),
};

type Block = (b: Uint8Array, at: number, y: Float32Array, to: number) => void;

function blocks(bytes: number, numbers: number, decode: Block): Decode {
  return (from, out) => {
    for (let at = 0, to = 0; to < out.length; at += bytes, to += numbers) decode(from, at, out, to);
  };
}

const halves = new Float32Array(65536);
let filled = false;
function half(b: Uint8Array, at: number): number {
  if (!filled) {
    halves.set(decodeFloats(new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer), 'F16'));
    filled = true;
  }
  return halves[b[at]! | (b[at + 1]! << 8)]!;
}

/** half d, 16 bytes: low halves are numbers 0..15, high halves 16..31. */
function q4_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = half(b, at);
  for (let j = 0; j < 16; j++) {
    const q = b[at + 2 + j]!;
    y[to + j] = ((q & 15) - 8) * d;
    y[to + j + 16] = ((q >> 4) - 8) * d;
  }
}

/** half d, half m, 16 bytes. */
function q4_1(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const [d, m] = [half(b, at), half(b, at + 2)];
  for (let j = 0; j < 16; j++) {
    const q = b[at + 4 + j]!;
    y[to + j] = (q & 15) * d + m;
    y[to + j + 16] = (q >> 4) * d + m;
  }
}

const word = (b: Uint8Array, at: number): number =>
  (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;

/** half d, 32 fifth bits, 16 bytes. */
function q5_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = half(b, at);
  const high = word(b, at + 2);
  for (let j = 0; j < 16; j++) {
    const q = b[at + 6 + j]!;
    y[to + j] = (((q & 15) | (((high >>> j) & 1) << 4)) - 16) * d;
    y[to + j + 16] = (((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16) * d;
  }
}

/** half d, half m, 32 fifth bits, 16 bytes. */
function q5_1(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const [d, m] = [half(b, at), half(b, at + 2)];
  const high = word(b, at + 4);
  for (let j = 0; j < 16; j++) {
    const q = b[at + 8 + j]!;
    y[to + j] = ((q & 15) | (((high >>> j) & 1) << 4)) * d + m;
    y[to + j + 16] = ((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) * d + m;
  }
}

/** half d, 32 signed bytes. */
function q8_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = half(b, at);
  for (let j = 0; j < 32; j++) y[to + j] = ((b[at + 2 + j]! << 24) >> 24) * d;
}

/** Scale and minimum j (0..7) of 6 bits each, packed in 12 bytes. */
function scale6(b: Uint8Array, at: number, j: number): number {
  return j < 4 ? b[at + j]! & 63 : (b[at + j + 4]! & 15) | ((b[at + j - 4]! >> 6) << 4);
}
function minimum6(b: Uint8Array, at: number, j: number): number {
  return j < 4 ? b[at + j + 4]! & 63 : (b[at + j + 4]! >> 4) | ((b[at + j]! >> 6) << 4);
}

/** half d, half dmin, 12 bytes of scales, 128 bytes: 4 groups of 64, low halves first. */
function q4_k(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const [d, least] = [half(b, at), half(b, at + 2)];
  for (let group = 0; group < 4; group++)
    for (let part = 0; part < 2; part++) {
      const j = 2 * group + part;
      const [step, m] = [d * scale6(b, at + 4, j), least * minimum6(b, at + 4, j)];
      const [from, out] = [at + 16 + 32 * group, to + 64 * group + 32 * part];
      for (let l = 0; l < 32; l++) y[out + l] = step * (part ? b[from + l]! >> 4 : b[from + l]! & 15) - m;
    }
}

/** half d, half dmin, 12 bytes of scales, 32 bytes of fifth bits, 128 bytes. */
function q5_k(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const [d, least] = [half(b, at), half(b, at + 2)];
  for (let group = 0; group < 4; group++)
    for (let part = 0; part < 2; part++) {
      const j = 2 * group + part;
      const [step, m] = [d * scale6(b, at + 4, j), least * minimum6(b, at + 4, j)];
      const [from, out] = [at + 48 + 32 * group, to + 64 * group + 32 * part];
      for (let l = 0; l < 32; l++) {
        const low = part ? b[from + l]! >> 4 : b[from + l]! & 15;
        y[out + l] = step * (low + (((b[at + 16 + l]! >> j) & 1) << 4)) - m;
      }
    }
}

/** 128 bytes of low halves, 64 bytes of upper pairs, 16 signed scales, half d. */
function q6_k(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = half(b, at + 208);
  for (let n = 0; n < 2; n++) {
    const [low, high, scales, out] = [at + 64 * n, at + 128 + 32 * n, at + 192 + 8 * n, to + 128 * n];
    for (let part = 0; part < 4; part++)
      for (let l = 0; l < 32; l++) {
        const q = b[low + (part & 1) * 32 + l]!;
        const four = part < 2 ? q & 15 : q >> 4;
        const value = (four | (((b[high + l]! >> (2 * part)) & 3) << 4)) - 32;
        const scale = (b[scales + 2 * part + (l >> 4)]! << 24) >> 24;
        y[out + 32 * part + l] = d * scale * value;
      }
  }
}
