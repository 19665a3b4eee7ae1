import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../../base/problem';
import { MOST_PARTS, ReadWhileRecording, type RecordingBackend, registerRecording, sharedEvenly } from '../recording';
import { type Addon, type AddonTensor, configProto, loadAddon, type OpAttribute } from './addon';
import { ATTRIBUTE_TYPES, DATA_TYPES } from './dataTypes';
import { registerFusedKernels, registerPanelKernels } from './fusedKernels';
import { mendGather, multiplyByOurOwn } from './mendedKernels';
import { Recorder } from './recorder';
import type { TensorFlowLibraries } from './tensorFlowLibraries';

/** The addon as the kernels of @tensorflow/tfjs-node-gpu want their binding. */
function bindingOf(addon: Addon, version: string, recorder: Recorder) {
  const unsupported = (): never => {
    throw new Error('saved models are not supported');
  };
  return {
    ...DATA_TYPES,
    ...ATTRIBUTE_TYPES,
    TF_Version: version,
    createTensor: (shape: number[], dtype: number, values: ArrayBufferView | number[]) => {
      const view = ArrayBuffer.isView(values) ? values : typed(values, dtype);
      const id = addon.createTensor(shape, dtype, view);
      if (recorder.active)
        recorder.made(
          id,
          dtype,
          shape,
          shape.reduce((a, b) => a * b, 1),
        );
      return id;
    },
    deleteTensor: (id: number) => {
      if (!recorder.isRecorded(id)) addon.deleteTensor(id);
    },
    tensorDataSync: (id: number) => {
      if (recorder.isRecorded(id)) throw new ReadWhileRecording();
      const values = addon.tensorDataSync(id);
      return values instanceof BigInt64Array ? Int32Array.from(values, Number) : values;
    },
    executeOp: (name: string, attributes: OpAttribute[], inputs: number[], outputs: number) =>
      recorder.active
        ? recorder.run(name, attributes, inputs, outputs)
        : addon.executeOp(name, attributes, inputs, outputs),
    getNumOfTensors: () => addon.getNumOfTensors(),
    isUsingGpuDevice: () => addon.devices().some(({ used, type }) => used && type === 'GPU'),
    getNumOfSavedModels: () => 0,
    loadSavedModel: unsupported,
    deleteSavedModel: unsupported,
    runSavedModel: unsupported,
  };
}

const typed = (values: readonly number[], dtype: number): ArrayBufferView => {
  if (dtype === DATA_TYPES.TF_INT32) return Int32Array.from(values);
  return dtype === DATA_TYPES.TF_BOOL ? Uint8Array.from(values) : Float32Array.from(values);
};

/** What the kernels' backend has and does not tell. */
interface KernelBackend {
  createOutputTensor(metadata: { id: number; shape: number[]; dtype: number }): tf.Tensor;
  getInputTensorIds(tensors: readonly tf.TensorInfo[]): number[];
}

function recordingOf(addon: Addon, recorder: Recorder, cores: number): RecordingBackend {
  const chains = cores <= MOST_PARTS && addon.devices()[0]?.used ? cores : 0;
  const runsSideBySide = () => {
    if (chains && recorder.active) recorder.chain();
  };
  const backend = () => tf.backend() as unknown as KernelBackend;
  const made = (metadata: AddonTensor) => backend().createOutputTensor(metadata);
  let tickets = 0;
  return {
    begin(args) {
      // Values that still stand in JavaScript go to TensorFlow first.
      const known = backend()
        .getInputTensorIds(args)
        .map((id) => addon.describeTensor(id));
      recorder.start();
      return known.map(({ dtype, shape }) =>
        backend().createOutputTensor({ id: recorder.input(dtype, shape), shape, dtype }),
      );
    },
    finish(name, results) {
      const ids = backend().getInputTensorIds(results);
      return recorder.end(name, ids);
    },
    cancel: () => recorder.cancel(),
    call(name, args, captured, outputs) {
      const ids = [...backend().getInputTensorIds(args), ...captured];
      return addon.executeOp(name, [], ids, outputs).map(made);
    },
    async callAside(name, args, captured, outputs, signal) {
      const ids = [...backend().getInputTensorIds(args), ...captured];
      const ticket = tickets++;
      const cancel = () => addon.cancelOp(ticket);
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        return (await addon.executeOpAside(name, [], ids, outputs, ticket)).map(made);
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    },
    remove: (compiled) => recorder.remove(compiled),
    outside: (work) => recorder.outside(work),
    runsSideBySide,
    parts(count) {
      if (!chains || !recorder.active || !sharedEvenly(count, chains)) return 1;
      runsSideBySide();
      return chains;
    },
    // TensorFlow finds the parts itself
    ontoPart: () => undefined,
  };
}

/** Values of at least so many numbers go to TensorFlow at once. */
const LARGE = 2 ** 16;

/**
 * The package leaves values in JavaScript until they are first used. Large ones, a model's weights, would be there twice until JavaScript's
 * memory is cleaned up.
 */
function passingOn(backend: tf.KernelBackend & KernelBackend, recorder: Recorder): tf.KernelBackend {
  const { write } = backend;
  backend.write = (values, shape, dtype) => {
    const dataId = write.call(backend, values, shape, dtype);
    if (ArrayBuffer.isView(values) && values.length >= LARGE && !recorder.active)
      backend.getInputTensorIds([{ dataId, shape, dtype }]);
    return dataId;
  };
  return backend;
}

/** Makes TensorFlow, through our addon, the current backend. Its kernels are those of @tensorflow/tfjs-node-gpu, but for a few. */
export async function startTensorFlow(
  addonPath: string,
  { libraries, cuda }: TensorFlowLibraries,
  threads: number | undefined,
  device = '',
): Promise<{ threads: number }> {
  const addon = loadAddon(addonPath);
  const cores = threads ?? availableParallelism();
  const recorder = new Recorder(addon, (id) => addon.describeTensor(id));
  const { version } = addon.load(
    libraries,
    // One op at a time, which has all threads: another of TensorFlow's would look for work meanwhile and take a core from it.
    configProto({ threads, ...(cores <= MOST_PARTS && { ops: 1 }) }, device),
    configProto({ threads: 1, ops: cores }),
    cores,
    cuda,
    device,
  );
  // The package may bring its own copy of tfjs-core, which finds our engine's registries in place and warns about each of them.
  const { warn } = console;
  console.warn = () => undefined;
  try {
    const { NodeJSKernelBackend } = await import('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend');
    await import('@tensorflow/tfjs-node-gpu/dist/register_all_kernels');
    const binding = bindingOf(addon, version, recorder) as unknown as ConstructorParameters<
      typeof NodeJSKernelBackend
    >[0];
    const make = () => new NodeJSKernelBackend(binding, 'sparring') as unknown as tf.KernelBackend & KernelBackend;
    tf.registerBackend('tensorflow', () => passingOn(make(), recorder), 3);
    registerRecording('tensorflow', recordingOf(addon, recorder, cores));
  } finally {
    console.warn = warn;
  }
  if (!(await tf.setBackend('tensorflow')))
    throw new Problem('engineStart', 'The native engine did not start in this process.');
  // They compute on the values where these come from JavaScript to.
  if (addon.devices()[0]?.used) {
    registerFusedKernels();
    // Measured on x64 alone; elsewhere TensorFlow's own may well be faster.
    if (process.arch === 'x64') multiplyByOurOwn(() => recorder.chained);
    if (process.arch === 'x64' && cores <= MOST_PARTS) registerPanelKernels();
  }
  mendGather();
  return { threads: cores };
}
