import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** How many multiply-adds a number of a tensor is worth; and one of which an exponential is taken. */
export const [LIGHT, POWERS] = [8, 32];

export const sizeOf = ({ shape }: TensorInfo): number => tf.util.sizeFromShape([...shape]);
export const strides = (shape: readonly number[]): number[] =>
  shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));

/** Where a tensor's numbers are: the first one, and strides. */
export interface Layout {
  first: number;
  strides: readonly number[];
}

/** One behind the other. */
export const whole = (shape: readonly number[]): Layout => ({ first: 0, strides: strides(shape) });

/** Strides of a tensor over the dimensions that it is broadcast to, 0 where it is repeated. */
export function broadcast(shape: readonly number[], to: readonly number[]): number[] {
  const own = strides(shape);
  const missing = to.length - shape.length;
  return to.map((_, i) => (i < missing || shape[i - missing] === 1 ? 0 : (own[i - missing] as number)));
}

export interface Walk {
  rows: number;
  inner: number;
  second: number;
  third: number;
  /** Of each tensor: three outer strides, and from one number of a row to the next. */
  strides: { outer: [number, number, number]; each: number }[];
}

/** Several tensors walked through together, in as few dimensions as it takes; undefined where those are more than four. */
export function walk(shape: readonly number[], given: readonly (readonly number[])[]): Walk | undefined {
  const sizes: number[] = [];
  const all: number[][] = given.map(() => []);
  shape.forEach((size, i) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const joins = last >= 0 && all.every((own, t) => own[last] === (given[t]?.[i] as number) * size);
    if (joins) sizes[last] = (sizes[last] as number) * size;
    else sizes.push(size);
    all.forEach((own, t) => {
      own[joins ? last : sizes.length - 1] = given[t]?.[i] as number;
    });
  });
  if (sizes.length > 4) return undefined;
  const inner = sizes.at(-1) ?? 1;
  const [first = 1, second = 1, third = 1] = [
    ...new Array<number>(Math.max(0, 4 - sizes.length)).fill(1),
    ...sizes.slice(0, -1),
  ];
  return {
    ...{ rows: first * second * third, inner, second, third },
    strides: all.map((own) => {
      const outer = [...new Array<number>(Math.max(0, 4 - sizes.length)).fill(0), ...own.slice(0, -1)];
      return { outer: [outer[0] ?? 0, outer[1] ?? 0, outer[2] ?? 0], each: own.at(-1) ?? 0 };
    }),
  };
}

export const outerStrides = (name: string, { outer: [first, second, third] }: Walk['strides'][number]) => ({
  [`${name}0`]: first,
  [`${name}1`]: second,
  [`${name}2`]: third,
});
