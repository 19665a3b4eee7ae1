import * as tf from '@tensorflow/tfjs-core';
import {
  hasFused,
  PACKED_BLOCK,
  PACKED_WIDE,
  type PackedKind,
  type PackedWeight,
  packedMatMul,
  scaledTogether,
} from '../tensor/fused';
import { encodeFloats } from './encodeFloats';
import { decodeFloats } from './safetensors';

// A frozen weight matrix in fewer bits. bfloat16, float16: numbers of 16 bits, the same ones where the file has them so. int8, nf4: blocks of
// 64 numbers, in the file's own order, share one scale. int8: whole numbers from -127 to 127; nf4: the 4-bit NormalFloat of QLoRA (arXiv
// 2305.14314, appendix E), the same numbers as bitsandbytes gives, without its second quantization of the scales.

export type Precision = 'float32' | PackedKind;

/** A matrix [out, in] as bytes in JavaScript memory. */
export interface PackedValues {
  kind: PackedKind;
  outputs: number;
  inputs: number;
  /** Row by row; nf4: two per byte, the first in the low half. */
  codes: Uint8Array;
  /** Of each block what the codes' numbers are multiplied by; of 16 bits none. */
  scales: Float32Array;
}

/** As the engine holds it, where it multiplies by it as it is: src/tensor/fused.ts. */
export type Packed = PackedValues | PackedWeight;

export const isPacked = <T extends object>(weight: T): weight is Extract<T, Packed> => 'codes' in weight;
export const isInJavaScript = (matrix: Packed): matrix is PackedValues => matrix.codes instanceof Uint8Array;

const BITS: { readonly [kind in PackedKind]: number } = { bfloat16: 16, float16: 16, int8: 8, nf4: 4 };
const FLOATS = { bfloat16: 'BF16', float16: 'F16' } as const;
/** From here on numbers would be rounded to infinite ones. */
export const TOO_LARGE_FOR_FLOAT16 = 65520;
/** Quantiles of the normal distribution, scaled to -1..1, with an exact 0. */
const NF4 = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];
/** Half way between two neighbours; nothing is beyond the last. */
const NF4_BORDERS = Float64Array.of(
  ...NF4.slice(1).map((value, i) => (value + (NF4[i] as number)) / 2),
  Number.POSITIVE_INFINITY,
);

/** values [out, in] row by row; float16: none at or beyond TOO_LARGE_FOR_FLOAT16. */
export function pack(values: Float32Array, outputs: number, inputs: number, kind: PackedKind): PackedValues {
  const form = { kind, outputs, inputs };
  if (kind === 'bfloat16' || kind === 'float16')
    return { ...form, codes: encodeFloats(values, FLOATS[kind]), scales: new Float32Array(0) };
  const scales = new Float32Array(Math.ceil(values.length / PACKED_BLOCK));
  const codes = new Uint8Array(Math.ceil((values.length * BITS[kind]) / 8));
  for (let block = 0; block < scales.length; block++) {
    const [from, to] = [block * PACKED_BLOCK, Math.min((block + 1) * PACKED_BLOCK, values.length)];
    let most = 0;
    for (let i = from; i < to; i++) most = Math.max(most, Math.abs(values[i] as number));
    scales[block] = kind === 'nf4' ? most : most / 127;
    const by = most === 0 ? 0 : 1 / most;
    // A byte takes what is before the point: rounded to the nearest.
    if (kind === 'int8') for (let i = from; i < to; i++) codes[i] = (values[i] as number) * by * 127 + 128.5;
    else
      for (let i = from; i < to; i += 2) {
        const second = i + 1 < to ? nearestNf4((values[i + 1] as number) * by) : 0;
        codes[i >> 1] = nearestNf4((values[i] as number) * by) | (second << 4);
      }
  }
  return { ...form, codes, scales };
}

/** All numbers, [out, in] row by row. */
export function unpack({ kind, outputs, inputs, codes, scales }: PackedValues): Float32Array {
  if (kind === 'bfloat16' || kind === 'float16') return decodeFloats(codes, FLOATS[kind]);
  const values = new Float32Array(outputs * inputs);
  const table = new Float32Array(16);
  for (let block = 0; block < scales.length; block++) {
    const [from, to] = [block * PACKED_BLOCK, Math.min((block + 1) * PACKED_BLOCK, values.length)];
    const scale = scales[block] as number;
    if (kind === 'int8') {
      for (let i = from; i < to; i++) values[i] = ((codes[i] as number) - 128) * scale;
      continue;
    }
    for (let code = 0; code < 16; code++) table[code] = (NF4[code] as number) * scale;
    for (let i = from; i < to; i += 2) {
      const both = codes[i >> 1] as number;
      values[i] = table[both & 15] as number;
      if (i + 1 < to) values[i + 1] = table[both >> 4] as number;
    }
  }
  return values;
}

/** Where the current engine multiplies by it as it is: its tensors, which the caller frees. Elsewhere the matrix as it is given. */
export function ontoEngine(matrix: PackedValues): Packed {
  if (!hasFused()) return matrix;
  const codes = tf.tidy(() => {
    const words = wordsOf(matrix);
    const panels = Math.ceil(matrix.outputs / PACKED_WIDE);
    const whole = tf.pad(words, [
      [0, panels * PACKED_WIDE - matrix.outputs],
      [0, 0],
    ]);
    return tf.reshape(tf.transpose(tf.reshape(whole, [panels, PACKED_WIDE, -1]), [0, 2, 1]), [-1]) as tf.Tensor1D;
  });
  return { ...matrix, codes, scales: tf.tensor1d(scalesOf(matrix)) };
}

/** Rows of codes in words of 32 bits, each row from a word's beginning on: [out, words] int32. */
function wordsOf({ kind, outputs, inputs, codes }: PackedValues): tf.Tensor2D {
  const bits = BITS[kind];
  const each = Math.ceil((inputs * bits) / 32);
  const words = new Int32Array(outputs * each);
  const bytes = new Uint8Array(words.buffer);
  if ((inputs * bits) % 32 === 0) bytes.set(codes);
  else
    for (let row = 0; row < outputs; row++)
      for (let at = 0; at < inputs * bits; at += 4) {
        const from = row * inputs * bits + at;
        const four = ((codes[from >> 3] as number) >> (from & 4)) & 15;
        const to = row * each * 4 + (at >> 3);
        bytes[to] = (bytes[to] as number) | (four << (at & 4));
      }
  return tf.tensor2d(words, [outputs, each], 'int32');
}

/** The scales as native/src/compute/packed.h has them: for every panel, and as many inputs as have one of their own in each row, its rows'. nf4: behind the book. */
function scalesOf({ kind, outputs, inputs, scales }: PackedValues): Float32Array {
  if (scales.length === 0) return scales;
  const book = kind === 'nf4' ? NF4 : [];
  const together = scaledTogether(inputs);
  const pieces = inputs / together;
  const numbers = new Float32Array(book.length + Math.ceil(outputs / PACKED_WIDE) * PACKED_WIDE * pieces);
  numbers.set(book);
  for (let row = 0; row < outputs; row++)
    for (let piece = 0; piece < pieces; piece++) {
      const at = (Math.floor(row / PACKED_WIDE) * pieces + piece) * PACKED_WIDE + (row % PACKED_WIDE);
      numbers[book.length + at] = scales[Math.floor((row * inputs + piece * together) / PACKED_BLOCK)] as number;
    }
  return numbers;
}

export function freePacked({ codes, scales }: Packed): void {
  if (codes instanceof tf.Tensor) tf.dispose([codes, scales as tf.Tensor]);
}

/**
 * x [N, in] times the matrix, [N, out]. No gradient reaches the matrix itself. From JavaScript memory the float32 matrix lives only while it
 * is multiplied, in the gradient too, which makes it anew: memory holds one of a model's matrices at a time.
 */
export function multiplyPacked(x: tf.Tensor2D, matrix: Packed): tf.Tensor2D {
  if (!isInJavaScript(matrix)) return packedMatMul(x, matrix);
  const whole = () => tf.tensor2d(unpack(matrix), [matrix.outputs, matrix.inputs]);
  const multiply = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows] = inputs as [tf.Tensor2D];
    return {
      value: tf.tidy(() => tf.matMul(rows, whole(), false, true)),
      gradFunc: (dy: tf.Tensor) => tf.tidy(() => tf.matMul(dy as tf.Tensor2D, whole())),
    };
  });
  return multiply(x) as tf.Tensor2D;
}

/** Bytes that a matrix of so many numbers takes. */
export function packedBytes(count: number, kind: PackedKind): number {
  const blocks = BITS[kind] < 16 ? Math.ceil(count / PACKED_BLOCK) : 0;
  return Math.ceil((count * BITS[kind]) / 8) + 4 * blocks;
}

/** Cells of -1..1 so narrow that no two borders lie in one; the code at the lower end of each. */
const CELLS = 128;
const CODE_OF_CELL = Uint8Array.from(
  { length: 2 * CELLS + 1 },
  (_, cell) => NF4_BORDERS.filter((border) => cell / CELLS - 1 > border).length,
);

/** The code of the nearest number; of two, the smaller one's. */
function nearestNf4(share: number): number {
  const code = CODE_OF_CELL[((share + 1) * CELLS) | 0] as number;
  return share > (NF4_BORDERS[code] as number) ? code + 1 : code;
}
