import * as tf from '@tensorflow/tfjs-core';
import type { Work } from './wasmCompute';
import type { Inputs } from './wasmKernels';

// What the fused ops of the WebAssembly engine have in common.

/** What an op is computed from. */
export interface Call {
  inputs: Inputs;
  sizes: readonly number[];
  factor: number;
}

export interface FusedOp {
  /** What is wrong with the shapes: what native/src/fused says. */
  misfit(call: Call): string | undefined;
  work(call: Call): Work;
}

export const shapeOf = ({ inputs }: Call, name: string): readonly number[] => inputs[name]?.shape ?? [];
export const sizeOf = (call: Call, name: string): number => tf.util.sizeFromShape([...shapeOf(call, name)]);
export const like = (call: Call, name: string) => ({ shape: shapeOf(call, name) });

export const same = (a: readonly number[], b: readonly number[]): boolean => tf.util.arraysEqual([...a], [...b]);
/** Whether all of them have the first one's shape. */
export const alike = (call: Call, first: string, ...others: string[]): boolean =>
  others.every((name) => same(shapeOf(call, name), shapeOf(call, first)));
