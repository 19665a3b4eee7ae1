import * as tf from '@tensorflow/tfjs-core';
import { nextTurn } from '../../../base/nextTurn';
import { type RecordingBackend, sharedEvenly } from '../recording';
import type { WasmCompute } from './wasmCompute';
import { Program, Scratch } from './wasmProgram';

interface Result {
  value: number;
  argument?: number;
  constant?: Uint8Array;
  shape: readonly number[];
  dtype: tf.DataType;
}

/** Parts of rows, the same whatever the number of threads: so that it changes no sum. */
const PARTS = [4, 2];

/** Compiled calls on the WebAssembly engine: the jobs of a function, planned once, run without TensorFlow.js. */
export function wasmRecording({ pool, backend, recorder }: WasmCompute): RecordingBackend {
  const programs = new Map<string, { program: Program; computed: number[]; results: Result[] }>();
  const scratch = new Scratch(pool.allocate);
  let paused = 0;
  const tensorOf = (info: tf.TensorInfo) => tf.engine().makeTensorFromTensorInfo(info, backend);
  const call: RecordingBackend['call'] = (name, args) => {
    const found = programs.get(name);
    if (!found) throw new Error(`there is no function ${name}`);
    const { program, computed, results } = found;
    const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
    const made = new Map<number, tf.TensorInfo>();
    const tensors = results.map(({ value, argument, constant, shape, dtype }) => {
      const info = argument === undefined ? made.get(value) : args[argument];
      if (info) {
        backend.incRef(info.dataId);
        return tensorOf({ dataId: info.dataId, shape: [...shape], dtype });
      }
      const fresh = backend.makeOutput([...shape], dtype, undefined, constant);
      made.set(value, fresh);
      return tensorOf(fresh);
    });
    program.run(
      args.map(address),
      computed.map((value) => address(made.get(value) as tf.TensorInfo)),
    );
    return tensors;
  };
  return {
    begin(args) {
      recorder.start();
      return args.map(({ shape, dtype }, i) => tensorOf(recorder.argument(shape, dtype, i)));
    },
    finish(name, tensors) {
      const values = tensors.map((tensor) => recorder.value(tensor));
      const recording = recorder.end();
      const results = tensors.map(({ shape, dtype }, i) => {
        const value = values[i] as number;
        const { argument, constant } = recording.values[value] ?? {};
        return { value, shape, dtype, argument, constant };
      });
      const own = results.filter(({ argument, constant }) => argument === undefined && !constant);
      const computed = [...new Set(own.map(({ value }) => value))];
      programs.set(name, { program: new Program(pool, scratch, recording, computed), computed, results });
      return [];
    },
    cancel: () => recorder.cancel(),
    call,
    // Its threads compute while JavaScript's waits for them.
    async callAside(name, args, captured, outputs) {
      const tensors = call(name, args, captured, outputs);
      await nextTurn();
      return tensors;
    },
    remove({ name }) {
      programs.get(name)?.program.free();
      programs.delete(name);
    },
    outside(work) {
      paused++;
      try {
        return work();
      } finally {
        paused--;
      }
    },
    runsSideBySide: () => undefined,
    parts: (count) => (recorder.active && paused === 0 ? (PARTS.find((parts) => sharedEvenly(count, parts)) ?? 1) : 1),
    ontoPart: (part, tensor) => recorder.ontoPart(part, tensor),
  };
}
