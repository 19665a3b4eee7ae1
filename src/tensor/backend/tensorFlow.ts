import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../base/problem';
import { type Addon, configProto, loadAddon, type OpAttribute } from './addon';
import type { TensorFlowLibraries } from './tensorFlowLibraries';

/** TF_DataType and TF_AttrType, by the names under which the kernels ask for them. */
const CONSTANTS = {
  ...{
    TF_FLOAT: 1,
    TF_INT32: 3,
    TF_UINT8: 4,
    TF_STRING: 7,
    TF_COMPLEX64: 8,
    TF_INT64: 9,
    TF_BOOL: 10,
    TF_RESOURCE: 20,
  },
  ...{ TF_ATTR_STRING: 0, TF_ATTR_INT: 1, TF_ATTR_FLOAT: 2, TF_ATTR_BOOL: 3, TF_ATTR_TYPE: 4, TF_ATTR_SHAPE: 5 },
  TF_ATTR_RESOURCE: 6,
};

/** The addon as the kernels of @tensorflow/tfjs-node-gpu want their binding. */
function bindingOf(addon: Addon, version: string) {
  const unsupported = (): never => {
    throw new Error('saved models are not supported');
  };
  return {
    ...CONSTANTS,
    TF_Version: version,
    createTensor: (shape: number[], dtype: number, values: ArrayBufferView | number[]) =>
      addon.createTensor(shape, dtype, ArrayBuffer.isView(values) ? values : typed(values, dtype)),
    deleteTensor: (id: number) => addon.deleteTensor(id),
    tensorDataSync: (id: number) => {
      const values = addon.tensorDataSync(id);
      return values instanceof BigInt64Array ? Int32Array.from(values, Number) : values;
    },
    executeOp: (name: string, attributes: OpAttribute[], inputs: number[], outputs: number) =>
      addon.executeOp(name, attributes, inputs, outputs),
    getNumOfTensors: () => addon.getNumOfTensors(),
    isUsingGpuDevice: () => addon.devices().some(({ used, type }) => used && type === 'GPU'),
    getNumOfSavedModels: () => 0,
    loadSavedModel: unsupported,
    deleteSavedModel: unsupported,
    runSavedModel: unsupported,
  };
}

const typed = (values: readonly number[], dtype: number): ArrayBufferView => {
  if (dtype === CONSTANTS.TF_INT32) return Int32Array.from(values);
  return dtype === CONSTANTS.TF_BOOL ? Uint8Array.from(values) : Float32Array.from(values);
};

/** Makes TensorFlow, through our addon, the current backend. Its kernels are those of @tensorflow/tfjs-node-gpu, unchanged. */
export async function startTensorFlow(
  addonPath: string,
  { libraries }: TensorFlowLibraries,
  threads: number | undefined,
): Promise<{ threads: number }> {
  const addon = loadAddon(addonPath);
  const version = addon.load(libraries, configProto(threads));
  // The package may bring its own copy of tfjs-core, which finds our engine's registries in place and warns about each of them.
  const { warn } = console;
  console.warn = () => undefined;
  try {
    const { NodeJSKernelBackend } = await import('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend');
    await import('@tensorflow/tfjs-node-gpu/dist/register_all_kernels');
    const binding = bindingOf(addon, version) as unknown as ConstructorParameters<typeof NodeJSKernelBackend>[0];
    const make = () => new NodeJSKernelBackend(binding, 'sparring') as unknown as tf.KernelBackend;
    tf.registerBackend('tensorflow', make, 3);
  } finally {
    console.warn = warn;
  }
  if (!(await tf.setBackend('tensorflow')))
    throw new Problem('engineStart', 'The native engine did not start in this process.');
  return { threads: threads ?? availableParallelism() };
}
