import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WasmPool } from './wasmPool';

type Kernel = (args: { inputs: NamedTensorInfoMap; backend: BackendWasm; attrs: NamedAttrMap }) => TensorInfo;

/** Columns that the kernels compute together. */
const PANEL = 8;

export const addressOf = (backend: BackendWasm, { dataId }: TensorInfo): number =>
  backend.dataIdMap.get(dataId).memoryOffset;

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The kernel that the package registered, unchanged. */
function original(name: string): Kernel {
  const config = tf.getKernel(name, 'wasm');
  if (config === undefined) throw new Error(`the wasm backend has no kernel ${name}`);
  return config.kernelFunc as unknown as Kernel;
}

function replace(name: string, kernel: Kernel): void {
  const { setupFunc, disposeFunc } = tf.getKernel(name, 'wasm') ?? {};
  tf.unregisterKernel(name, 'wasm');
  tf.registerKernel({
    kernelName: name,
    backendName: 'wasm',
    kernelFunc: kernel as unknown as tf.KernelFunc,
    setupFunc,
    disposeFunc,
  });
}

/** Matrix products by our own code: both operands transposed or not, batched, on several threads. */
function matMul(pool: WasmPool, slow: Kernel): Kernel {
  return (args) => {
    const { inputs, backend, attrs } = args;
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const [transposeA, transposeB] = [attrs['transposeA'] === true, attrs['transposeB'] === true];
    const [rowsA = 0, columnsA = 0] = a.shape.slice(-2);
    const [rowsB = 0, columnsB = 0] = b.shape.slice(-2);
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const [batchA, batchB] = [count(a.shape.slice(0, -2)), count(b.shape.slice(0, -2))];
    const outer = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const batch = count(outer);
    const plain = [batchA, batchB].every((size) => size === batch || size === 1);
    // what is empty, or needs the general rules of broadcasting, is left to the original
    if (!plain || M * K * N * batch === 0 || a.dtype !== 'float32' || b.dtype !== 'float32') return slow(args);
    const out = backend.makeOutput([...outer, M, N], 'float32');
    const [aAt, bAt, yAt] = [a, b, out].map((it) => addressOf(backend, it)) as [number, number, number];
    // rows of all matrices of the batch are rows of one product where one right operand serves them all
    const rows = batchB === 1 && batchA === batch && !transposeA ? M * batch : M;
    const products = (M * batch) / rows;
    const sizes = { rows, inner: K, columns: N, aTransposed: Number(transposeA), bTransposed: Number(transposeB) };
    const steps = { aStep: batchA === 1 ? 0 : M * K, bStep: batchB === 1 ? 0 : K * N, yStep: M * N };
    pool.run({
      op: 'matMul',
      args: { a: aAt, b: bAt, y: yAt, ...sizes, ...steps },
      count: products * Math.ceil(N / PANEL),
      cost: batch * M * K * N,
    });
    return out;
  };
}

/** Rows of x [M, ...] at places [N] -> [N, ...], copied whole: the package's kernel takes number by number. */
function gather(pool: WasmPool, slow: Kernel): Kernel {
  return (args) => {
    const { inputs, backend, attrs } = args;
    const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
    const [rows = 0, ...rest] = x.shape;
    const [places, width] = [count(indices.shape), count(rest)];
    const plain = attrs['axis'] === 0 && attrs['batchDims'] === 0 && x.dtype !== 'bool' && indices.dtype === 'int32';
    if (!plain || places * width === 0) return slow(args);
    const wrong = new Int32Array(pool.memory.buffer, addressOf(backend, indices), places).find(
      (place) => place < 0 || place >= rows,
    );
    if (wrong !== undefined) throw new Error(`gather was given the place ${wrong} of ${rows}`);
    const out = backend.makeOutput([...indices.shape, ...rest], x.dtype);
    const [xAt, placesAt, y] = [x, indices, out].map((it) => addressOf(backend, it)) as [number, number, number];
    const cost = 8 * places * width;
    pool.run({ op: 'gather', args: { x: xAt, places: placesAt, y, width }, count: places, cost });
    return out;
  };
}

/** The same values under a new tensor: enough where nothing is computed, because values never change. */
const reference: Kernel = ({ inputs, backend }) => {
  const { x } = inputs as { x: TensorInfo };
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
};

/**
 * Replaces kernels of the wasm backend that are slow for training (measured: docs/engines.md), from outside the package.
 * BatchMatMul: it is quick for one untransposed pair of matrices only, but automatic differentiation asks for transposes and attention
 * for batches. GatherV2, which copies number by number. Identity, and Cast to the type that is there, which every gradient of a product calls: they copy the values.
 */
export function mendKernels(pool: WasmPool): void {
  replace('BatchMatMul', matMul(pool, original('BatchMatMul')));
  replace('GatherV2', gather(pool, original('GatherV2')));
  replace('Identity', reference);
  const cast = original('Cast');
  replace('Cast', (args) => (args.attrs['dtype'] === args.inputs['x']?.dtype ? reference(args) : cast(args)));
}
