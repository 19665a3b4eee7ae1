import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { JobName } from './wasmJobs';
import type { WasmPool } from './wasmPool';
import type { WasmRecorder } from './wasmRecorder';

/** What an op is to compute. Names are those of the job's arguments; what is undefined is an address that is none. */
export interface Work {
  op: JobName;
  inputs: { readonly [name: string]: TensorInfo | undefined };
  /** New tensors, in the order of the results; float32 unless said otherwise. */
  outputs?: { readonly [name: string]: { shape: readonly number[]; dtype?: DataType } };
  /** Tensors that are there already, which it writes to. */
  into?: { readonly [name: string]: TensorInfo };
  numbers?: { readonly [name: string]: number };
  /** How many rows there are: threads take some of them. */
  count: number;
  /** Multiplications and additions, about. */
  cost: number;
  /** What must be so of the values of an int32 tensor by which memory is addressed: what is wrong. */
  check?: { input: TensorInfo; wrong(values: Int32Array): string | undefined };
}

/** Runs our kernels on tensors of the wasm backend; or, while a function is recorded, writes them down. */
export class WasmCompute {
  constructor(
    readonly pool: WasmPool,
    readonly backend: BackendWasm,
    readonly recorder: WasmRecorder,
  ) {}

  /** A tensor to write to: of the recording, where one of `from` is. */
  output(from: readonly TensorInfo[], shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    return from.some((it) => this.recorder.has(it))
      ? this.recorder.made(shape, dtype)
      : this.backend.makeOutput([...shape], dtype);
  }

  run(work: Work): TensorInfo[] {
    const { op, numbers, count, cost, check } = work;
    const given = [...Object.values(work.inputs), ...Object.values(work.into ?? {})].filter((it) => it !== undefined);
    // what an argument's values are is seen when the function is called
    const wrong = check && !this.recorder.has(check.input) && check.wrong(this.integers(check.input));
    if (wrong) throw new Error(wrong);
    const outputs = Object.entries(work.outputs ?? {}).map(
      ([name, { shape, dtype }]) => [name, this.output(given, shape, dtype)] as const,
    );
    if (given.some((it) => this.recorder.has(it))) this.recorder.log(work, outputs);
    else {
      const tensors = [...Object.entries(work.inputs), ...Object.entries(work.into ?? {}), ...outputs];
      const args: { [name: string]: number } = { ...numbers };
      for (const [name, info] of tensors) args[name] = info ? this.address(info) : 0;
      this.pool.run({ op, args, count, cost });
    }
    return outputs.map(([, info]) => info);
  }

  address({ dataId }: TensorInfo): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  integers(info: TensorInfo): Int32Array {
    return new Int32Array(
      this.pool.memory.buffer,
      this.address(info),
      info.shape.reduce((a, b) => a * b, 1),
    );
  }
}
