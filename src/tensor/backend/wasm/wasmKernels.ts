import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WasmCompute } from './wasmCompute';
import { COPY_KERNELS } from './wasmCopies';
import { ELEMENT_KERNELS } from './wasmElements';

type Kernel = (args: {
  inputs: NamedTensorInfoMap;
  backend: BackendWasm;
  attrs: NamedAttrMap;
}) => TensorInfo | TensorInfo[];

export interface Inputs {
  readonly [name: string]: TensorInfo;
}

/** Undefined: it cannot do that, the package's is to. */
export type OwnKernel = (
  compute: WasmCompute,
  inputs: Inputs,
  attrs: NamedAttrMap,
) => TensorInfo | TensorInfo[] | undefined;

/** Our own kernels by their names. */
export interface Kernels {
  readonly [name: string]: OwnKernel;
}

/** Columns of a product that the kernels compute together. */
export const PANEL = 8;

/** Matrix products: both operands transposed or not, batched. */
const matMul: OwnKernel = (compute, { a, b }, attrs) => {
  if (a?.dtype !== 'float32' || b?.dtype !== 'float32') return undefined;
  const [transposeA, transposeB] = [attrs['transposeA'] === true, attrs['transposeB'] === true];
  const [rowsA = 0, columnsA = 0] = a.shape.slice(-2);
  const [rowsB = 0, columnsB = 0] = b.shape.slice(-2);
  const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const N = transposeB ? rowsB : columnsB;
  const [batchA, batchB] = [a, b].map(({ shape }) => tf.util.sizeFromShape(shape.slice(0, -2))) as [number, number];
  const outer = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const batch = tf.util.sizeFromShape(outer);
  // what needs the general rules of broadcasting is left to the package
  if (![batchA, batchB].every((size) => size === batch || size === 1)) return undefined;
  // rows of all matrices of the batch are rows of one product where one right operand serves them all
  const rows = batchB === 1 && batchA === batch && !transposeA ? M * batch : M;
  const products = rows === 0 ? 0 : (M * batch) / rows;
  const sizes = { rows, inner: K, columns: N, aTransposed: Number(transposeA), bTransposed: Number(transposeB) };
  const steps = { aStep: batchA === 1 ? 0 : M * K, bStep: batchB === 1 ? 0 : K * N, yStep: M * N };
  return compute.run({
    op: 'matMul',
    inputs: { a, b },
    outputs: { y: { shape: [...outer, M, N] } },
    numbers: { ...sizes, ...steps },
    count: products * Math.ceil(N / PANEL),
    cost: batch * M * K * N,
  })[0];
};

const OWN: Kernels = { ...COPY_KERNELS, ...ELEMENT_KERNELS, BatchMatMul: matMul };

/** Those of the package that look at no value. */
const BY_SHAPE = ['Reshape', 'ExpandDims', 'ZerosLike', 'OnesLike'];

/**
 * Puts our own kernels before those of the package, which are slow for training (measured: docs/engines.md); what ours cannot do is left to
 * those, but they cannot be recorded.
 */
export function mendKernels(compute: WasmCompute): void {
  for (const config of [...tf.getKernelsForBackend('wasm')]) {
    const { kernelName, kernelFunc, ...rest } = config;
    const theirs = kernelFunc as unknown as Kernel;
    const ours = OWN[kernelName];
    const kernel: Kernel = (args) => {
      const inputs = args.inputs as Inputs;
      const own = ours?.(compute, inputs, args.attrs);
      if (own) return own;
      if (
        compute.recorder.active &&
        !BY_SHAPE.includes(kernelName) &&
        Object.values(inputs).some((it) => it && compute.recorder.has(it))
      )
        throw new Error(`${kernelName} cannot be recorded on wasm`);
      return theirs(args);
    };
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...rest, kernelName, kernelFunc: kernel as unknown as tf.KernelFunc });
  }
}
