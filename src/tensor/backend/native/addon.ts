import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../../base/packageRoot';

/** A value of an op's attribute, as the addon takes it. */
export interface OpAttribute {
  name: string;
  value: boolean | number | string | readonly number[];
}

export interface AddonTensor {
  id: number;
  shape: number[];
  dtype: number;
}

export interface LoadedTensorFlow {
  version: string;
  /** NVIDIA's driver (libcuda.so.1) is here. */
  driver: boolean;
  /** The loader's words on the first of CUDA's libraries that it cannot load, or ''. */
  missing: string;
}

export interface AddonDevice {
  name: string;
  type: string;
  memory: number;
  used: boolean;
  /** Products are computed on the processor's matrix unit (native/src/fused/tiles.h). */
  amx: boolean;
}

/** Our C++ addon over TensorFlow's C API (native/src/addon.cc). Every failure is an Error that names the op and the shapes. */
export interface Addon {
  /**
   * Loads TensorFlow and makes its contexts with serialized ConfigProtos: `config` for most, `chains` for functions made of chains, which
   * do not wait for one another. `threads`: of the fused ops. `cuda`: libraries that are loaded first where NVIDIA's driver is. `device`: the end of a device's name, such as GPU:1; with '' the first GPU, else the processor.
   */
  load(
    libraries: readonly string[],
    config: Uint8Array,
    chains: Uint8Array,
    threads: number,
    cuda: readonly string[],
    device: string,
  ): LoadedTensorFlow;
  devices(): AddonDevice[];
  createTensor(shape: readonly number[], dtype: number, values: ArrayBufferView): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint16Array;
  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): AddonTensor[];
  /** The same beside JavaScript, one at a time. Inputs may be deleted meanwhile. `ticket`: a number of its own, by which it is cancelled. */
  executeOpAside(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
    ticket: number,
  ): Promise<AddonTensor[]>;
  /** Our own ops inside it that have not begun do not run any more, and its promise is rejected. */
  cancelOp(ticket: number): void;
  getNumOfTensors(): number;
  /** Type and shape of a tensor. */
  describeTensor(id: number): { dtype: number; shape: number[] };
  /** Another number for the same values, which live until both are deleted. */
  copyTensor(id: number): number;
  /** Begins a recording; recorded values have numbers of their own, from 0. */
  recordStart(): void;
  recordInput(dtype: number, shape: readonly number[]): number;
  recordConstant(tensor: number): number;
  recordOp(name: string, attributes: readonly OpAttribute[], inputs: readonly number[], outputs: number): AddonTensor[];
  /** Ends it and adds the function under `name`; with '' nothing is added. `chained`: it is made of chains, one per thread. */
  recordEnd(name: string, inputs: readonly number[], outputs: readonly number[], chained: boolean): void;
  /** `definition`: a serialized FunctionDef; its name is an op from then on. */
  addFunction(definition: Uint8Array): void;
  removeFunction(name: string): void;
}

/** The addon's file for this machine; undefined where there is none. */
export function addonFile(): string | undefined {
  const path = join(packageRoot(), 'native', 'prebuilds', `${process.platform}-${process.arch}`, 'sparring.node');
  return existsSync(path) ? path : undefined;
}

export const loadAddon = (file: string): Addon => createRequire(file)(file) as Addon;

/**
 * A serialized ConfigProto (tensorflow/core/protobuf/config.proto): threads of one op, ops that run at a time, soft placement, and memory of
 * a GPU taken as it is needed. `device`: where it is CPU:1, the processor counts as two devices, which is how tests see what else only a GPU would show.
 */
export function configProto({ threads, ops }: { threads?: number; ops?: number }, device = ''): Uint8Array {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const intraOp = threads === undefined ? [] : [0x10, ...varint(threads)];
  const interOp = ops === undefined ? [] : [0x28, ...varint(ops)];
  const softPlacement = [0x38, 1];
  const allowGrowth = [0x32, 2, 0x20, 1];
  const processors = /^CPU:([1-9])$/.exec(device)?.[1];
  const deviceCount =
    processors === undefined ? [] : [0x0a, 7, 0x0a, 3, 0x43, 0x50, 0x55, 0x10, Number(processors) + 1];
  return Uint8Array.from([...deviceCount, ...intraOp, ...interOp, ...softPlacement, ...allowGrowth]);
}
