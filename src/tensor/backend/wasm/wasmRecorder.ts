import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ReadWhileRecording } from '../recording';
import type { Work } from './wasmCompute';
import type { JobName } from './wasmJobs';

/** A value of a recording. */
export interface Value {
  bytes: number;
  /** Which argument it is; the bytes of a constant; nothing for what the recording computes. */
  argument?: number;
  constant?: Uint8Array;
}

/** A job of a recording, by the numbers of its values. */
export interface Entry {
  op: JobName;
  numbers: { readonly [name: string]: number };
  count: number;
  cost: number;
  tensors: readonly { name: string; value: number }[];
  reads: readonly number[];
  writes: readonly number[];
  /** The part of the rows that it belongs to; undefined: all of them. */
  part?: number;
}

export interface Recording {
  values: Value[];
  entries: Entry[];
  /** What must be so of an argument's values: by which memory is addressed. */
  checks: { argument: number; wrong(values: Int32Array): string | undefined }[];
}

type DataId = TensorInfo['dataId'];

/**
 * While a function is recorded, its tensors have no values and no memory: what is computed from one of them is written down. What does not
 * depend on the arguments is computed at once and becomes a constant.
 */
export class WasmRecorder {
  private recording: Recording | undefined;
  /** Recorded tensors' values; of earlier recordings, too, whose tensors may still be disposed of. */
  private readonly recorded = new WeakMap<DataId, number>();
  private readonly constants = new Map<DataId, number>();
  private readonly parts = new Map<number, number>();
  /** From which values those of an int32 value were copied. */
  private readonly sources = new Map<number, readonly number[]>();

  constructor(private readonly backend: BackendWasm) {
    const { disposeData, readSync } = backend;
    backend.disposeData = (dataId, force) => {
      if (!this.recorded.has(dataId)) return disposeData.call(backend, dataId, force);
      const data = backend.dataIdMap.get(dataId);
      if (--data.refCount > 0 && !force) return false;
      backend.dataIdMap.delete(dataId);
      return true;
    };
    backend.readSync = (dataId, start, end) => {
      if (this.recorded.has(dataId)) throw new ReadWhileRecording();
      return readSync.call(backend, dataId, start, end);
    };
  }

  get active(): boolean {
    return this.recording !== undefined;
  }

  has({ dataId }: TensorInfo): boolean {
    return this.recorded.has(dataId);
  }

  start(): void {
    this.recording = { values: [], entries: [], checks: [] };
    this.parts.clear();
    this.sources.clear();
    this.constants.clear();
  }

  end(): Recording {
    const recording = this.now();
    this.recording = undefined;
    return recording;
  }

  cancel(): void {
    this.recording = undefined;
  }

  argument(shape: readonly number[], dtype: DataType, argument: number): TensorInfo {
    const info = this.made(shape, dtype);
    const number = this.value(info);
    (this.now().values[number] as Value).argument = argument;
    if (dtype === 'int32') this.sources.set(number, [number]);
    return info;
  }

  /** A tensor that the recording will compute. */
  made(shape: readonly number[], dtype: DataType): TensorInfo {
    const dataId: DataId = {};
    const bytes = tf.util.sizeFromShape([...shape]) * tf.util.bytesPerElement(dtype);
    const nowhere = { id: -1, memoryOffset: 0, shape: [...shape], dtype, refCount: 1 };
    this.backend.dataIdMap.set(dataId, nowhere);
    this.recorded.set(dataId, this.now().values.push({ bytes }) - 1);
    return { dataId, shape: [...shape], dtype };
  }

  ontoPart(part: number, info: TensorInfo): void {
    if (this.active && this.has(info)) this.parts.set(this.value(info), part);
  }

  /** The number of a tensor's value; what is no recorded one becomes a constant. */
  value(info: TensorInfo): number {
    const found = this.recorded.get(info.dataId) ?? this.constants.get(info.dataId);
    if (found !== undefined) return found;
    const numbers = this.backend.readSync(info.dataId) as Float32Array;
    const constant = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    const number = this.now().values.push({ bytes: constant.length, constant }) - 1;
    this.constants.set(info.dataId, number);
    return number;
  }

  log(
    { op, inputs, into = {}, numbers = {}, count, cost, check }: Work,
    outputs: readonly (readonly [string, TensorInfo])[],
  ): void {
    if (count === 0) return;
    const numbered = (tensors: Iterable<readonly [string, TensorInfo | undefined]>) =>
      [...tensors].flatMap(([name, info]) => (info ? [{ name, value: this.value(info) }] : []));
    const [read, changed, made] = [numbered(Object.entries(inputs)), numbered(Object.entries(into)), numbered(outputs)];
    const reads = [...read, ...changed].map(({ value }) => value);
    const writes = [...changed, ...made].map(({ value }) => value);
    const parts = new Set(reads.flatMap((value) => this.parts.get(value) ?? []));
    const [part] = parts.size === 1 ? parts : [];
    for (const value of writes) {
      if (part === undefined) this.parts.delete(value);
      else this.parts.set(value, part);
      if (op === 'copies')
        this.sources.set(
          value,
          reads.flatMap((from) => this.sources.get(from) ?? []),
        );
    }
    this.now().entries.push({ op, numbers, count, cost, tensors: [...read, ...changed, ...made], reads, writes, part });
    if (check) this.checkLater(check);
  }

  private checkLater({ input, wrong }: NonNullable<Work['check']>): void {
    const { values, checks } = this.now();
    for (const value of this.sources.get(this.value(input)) ?? []) {
      const { argument } = values[value] as Value;
      if (argument !== undefined) checks.push({ argument, wrong });
    }
  }

  private now(): Recording {
    if (!this.recording) throw new Error('nothing is being recorded');
    return this.recording;
  }
}
