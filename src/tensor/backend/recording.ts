import * as tf from '@tensorflow/tfjs-core';

/** What compiled calls (../jit.ts) ask of an engine that records. */
export interface RecordingBackend {
  /** Begins a recording with these arguments; what stands for them. */
  begin(args: readonly tf.Tensor[]): tf.Tensor[];
  /** Ends it with these results; the numbers of the tensors that the function captures. */
  finish(name: string, results: readonly tf.Tensor[]): readonly number[];
  cancel(): void;
  call(name: string, args: readonly tf.Tensor[], captured: readonly number[], outputs: number): tf.Tensor[];
  /** The same beside JavaScript; aborted, it is rejected as soon as an op has ended. */
  callAside(
    name: string,
    args: readonly tf.Tensor[],
    captured: readonly number[],
    outputs: number,
    signal?: AbortSignal,
  ): Promise<tf.Tensor[]>;
  remove(compiled: { name: string; captured: readonly number[] }): void;
  outside<T>(work: () => T): T;
  /** The function that is being recorded runs one op per thread at a time, where the engine does that. */
  runsSideBySide(): void;
  /** In how many parts the function that is being recorded computes so many rows side by side. */
  parts(count: number): number;
  /** What follows from this tensor alone belongs to that part. */
  ontoPart(part: number, tensor: tf.Tensor): void;
}

const backends = new Map<string, RecordingBackend>();

export function registerRecording(backendName: string, recording: RecordingBackend): void {
  backends.set(backendName, recording);
}

/** The current engine, where it records. */
export const recordingBackend = (): RecordingBackend | undefined => backends.get(tf.getBackend());

/** More parts than these would each have little to do, and read all weights anew. */
export const MOST_PARTS = 8;

/** Whether so many parts of `count` rows take about as long as one another: the longest at most a fifteenth longer than their mean. */
export const sharedEvenly = (count: number, parts: number): boolean =>
  Math.ceil(count / parts) * parts <= (count * 16) / 15;

/** Thrown where a value is asked for that is not there yet. */
export class ReadWhileRecording extends Error {
  constructor() {
    super('a value was read while a function is recorded, which has no values yet');
  }
}
