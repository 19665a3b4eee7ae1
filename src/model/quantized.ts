import * as tf from '@tensorflow/tfjs-core';

// A frozen weight matrix in fewer bits: blocks of 64 numbers, in the file's own order, share one scale. nf4: the 4-bit NormalFloat of
// QLoRA (arXiv 2305.14314, appendix E), the same numbers as bitsandbytes gives, without its second quantization of the scales. int8:
// whole numbers from -127 to 127.

export type Precision = 'float32' | 'int8' | 'nf4';

/** A matrix [out, in] as bytes in JavaScript memory; tensors of it are made when a layer needs them and freed when it is done. */
export interface Quantized {
  kind: 'int8' | 'nf4';
  outputs: number;
  inputs: number;
  /** nf4: two per byte, the first in the low half. */
  codes: Uint8Array;
  /** Largest magnitude of each block. */
  scales: Float32Array;
}

const BLOCK = 64;
/** Quantiles of the normal distribution, scaled to -1..1, with an exact 0. */
const NF4 = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];
/** Half way between two neighbours. */
const NF4_BORDERS = NF4.slice(1).map((value, i) => (value + (NF4[i] as number)) / 2);

/** values [out, in] row by row. */
export function quantize(values: Float32Array, outputs: number, inputs: number, kind: Quantized['kind']): Quantized {
  const scales = new Float32Array(Math.ceil(values.length / BLOCK));
  const codes = new Uint8Array(kind === 'nf4' ? Math.ceil(values.length / 2) : values.length);
  for (let block = 0; block < scales.length; block++) {
    const [from, to] = [block * BLOCK, Math.min((block + 1) * BLOCK, values.length)];
    let most = 0;
    for (let i = from; i < to; i++) most = Math.max(most, Math.abs(values[i] as number));
    scales[block] = most;
    const by = most === 0 ? 0 : 1 / most;
    for (let i = from; i < to; i++) {
      const share = (values[i] as number) * by;
      if (kind === 'int8') codes[i] = Math.round(share * 127) + 128;
      else codes[i >> 1] = (codes[i >> 1] as number) | (nearestNf4(share) << (i & 1 ? 4 : 0));
    }
  }
  return { kind, outputs, inputs, codes, scales };
}

/** All numbers, [out, in] row by row. */
export function dequantize({ kind, outputs, inputs, codes, scales }: Quantized): Float32Array {
  const values = new Float32Array(outputs * inputs);
  const table = new Float32Array(16);
  for (let block = 0; block < scales.length; block++) {
    const [from, to] = [block * BLOCK, Math.min((block + 1) * BLOCK, values.length)];
    const scale = scales[block] as number;
    if (kind === 'int8') {
      const step = scale / 127;
      for (let i = from; i < to; i++) values[i] = ((codes[i] as number) - 128) * step;
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

/**
 * x [N, in] times the matrix, [N, out]. The float32 matrix lives only while it is multiplied, in the gradient too, which makes it anew:
 * memory holds one of a model's matrices at a time. No gradient reaches the matrix itself.
 */
export function multiplyQuantized(x: tf.Tensor2D, matrix: Quantized): tf.Tensor2D {
  const whole = () => tf.tensor2d(dequantize(matrix), [matrix.outputs, matrix.inputs]);
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
export function quantizedBytes(count: number, kind: Quantized['kind']): number {
  return Math.ceil(count / (kind === 'nf4' ? 2 : 1)) + 4 * Math.ceil(count / BLOCK);
}

function nearestNf4(share: number): number {
  let low = 0;
  let high = 15;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (share > (NF4_BORDERS[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
