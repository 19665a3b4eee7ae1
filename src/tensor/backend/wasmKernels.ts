import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** What we call in the backend's binary by its own names. Shapes are addresses of int32s. */
interface Exports {
  _malloc(bytes: number): number;
  _register_tensor(id: number, size: number, address: number): void;
  _dispose_data(id: number): void;
  _BatchMatMul(
    a: number,
    aShape: number,
    aRank: number,
    b: number,
    bShape: number,
    bRank: number,
    transposeA: number,
    transposeB: number,
    out: number,
  ): void;
  HEAPU8: Uint8Array;
}

type Kernel = (args: { inputs: NamedTensorInfoMap; backend: BackendWasm; attrs: NamedAttrMap }) => TensorInfo;

/** Ids of the views one product needs. The backend counts its own up from 1 and does not come near. */
const VIEW_A = 0x7ffffff0;
const VIEW_B = VIEW_A + 1;
const VIEW_OUT = VIEW_A + 2;

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

/** Products of untransposed operands only, each pair of matrices by the backend's fast path (it has one for a single pair). */
function fastMatMul(transpose: Kernel, slow: Kernel): Kernel {
  let shapes = 0;
  let shapeView: Int32Array = new Int32Array(0);

  function transposed(x: TensorInfo, backend: BackendWasm): TensorInfo {
    const perm = x.shape.map((_, axis) => axis);
    perm.push(perm.splice(-2, 1)[0] as number);
    return transpose({ inputs: { x }, backend, attrs: { perm } });
  }

  /** out[i] = a[i] b[i] for i < batch; a [batch, m, n], b [batch, n, p], out [batch, m, p] by address. */
  function products(backend: BackendWasm, batch: number, m: number, n: number, p: number, at: readonly number[]): void {
    const wasm = backend.wasm as unknown as Exports;
    if (shapes === 0) shapes = wasm._malloc(24);
    if (shapeView.buffer !== wasm.HEAPU8.buffer) shapeView = new Int32Array(wasm.HEAPU8.buffer, shapes, 6);
    shapeView.set([1, m, n, 1, n, p]);
    const [a = 0, b = 0, out = 0] = at;
    for (let i = 0; i < batch; i++) {
      wasm._register_tensor(VIEW_A, m * n, a + i * m * n * 4);
      wasm._register_tensor(VIEW_B, n * p, b + i * n * p * 4);
      wasm._register_tensor(VIEW_OUT, m * p, out + i * m * p * 4);
      wasm._BatchMatMul(VIEW_A, shapes, 3, VIEW_B, shapes + 12, 3, 0, 0, VIEW_OUT);
      // disposing the second operand also frees the packed copy that the binary made of it
      wasm._dispose_data(VIEW_A);
      wasm._dispose_data(VIEW_B);
      wasm._dispose_data(VIEW_OUT);
    }
  }

  function untransposed(backend: BackendWasm, a: TensorInfo, b: TensorInfo): TensorInfo {
    const none = { transposeA: false, transposeB: false };
    const [m = 0, n = 0] = a.shape.slice(-2);
    const p = b.shape[b.shape.length - 1] ?? 0;
    const batchA = count(a.shape.slice(0, -2));
    const batchB = count(b.shape.slice(0, -2));
    if (batchA * batchB === 1 || m * n * p === 0) return slow({ inputs: { a, b }, backend, attrs: none });
    if (batchB === 1 && a.shape.length >= b.shape.length) {
      // one matrix for the whole batch: the batch's rows are rows of one product
      const rows = { ...a, shape: [1, batchA * m, n] };
      const out = slow({ inputs: { a: rows, b: { ...b, shape: [1, n, p] } }, backend, attrs: none });
      return { ...out, shape: [...a.shape.slice(0, -1), p] };
    }
    if (batchA !== batchB || n !== b.shape[b.shape.length - 2]) return slow({ inputs: { a, b }, backend, attrs: none });
    const outer = a.shape.length >= b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
    const out = backend.makeOutput([...outer, m, p], 'float32');
    const at = [a, b, out].map((info) => backend.dataIdMap.get(info.dataId).memoryOffset);
    products(backend, batchA, m, n, p, at);
    return out;
  }

  return ({ inputs, backend, attrs }) => {
    const given = inputs as { a: TensorInfo; b: TensorInfo };
    const a = attrs['transposeA'] ? transposed(given.a, backend) : given.a;
    const b = attrs['transposeB'] ? transposed(given.b, backend) : given.b;
    const out = untransposed(backend, a, b);
    if (a !== given.a) backend.disposeData(a.dataId);
    if (b !== given.b) backend.disposeData(b.dataId);
    return out;
  };
}

/**
 * Replaces kernels of the wasm backend that are slow for training (measured: docs/engines.md), from outside the package.
 * BatchMatMul: its fast path serves one untransposed pair of matrices, but automatic differentiation asks for transposes and attention
 * for batches. Identity: it copied the values, a reference is enough because tensors never change.
 */
export function mendKernels(): void {
  replace('BatchMatMul', fastMatMul(original('Transpose'), original('BatchMatMul')));
  replace('Identity', ({ inputs, backend }) => {
    const { x } = inputs as { x: TensorInfo };
    backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
}
