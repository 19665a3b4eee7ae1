import * as tf from '@tensorflow/tfjs-core';
import { fusedMatMul } from '../../fused';
import { DATA_TYPES } from './dataTypes';

// Kernels of @tensorflow/tfjs-node-gpu that ours replace.

interface KernelBackend {
  executeSingleOutput(name: string, attributes: object[], inputs: tf.Tensor[]): tf.Tensor;
}

function replace(name: string, change: (theirs: tf.KernelFunc) => tf.KernelFunc): void {
  const theirs = tf.getKernel(name, 'tensorflow')?.kernelFunc;
  if (!theirs) throw new Error(`there is no kernel ${name}`);
  tf.unregisterKernel(name, 'tensorflow');
  tf.registerKernel({ kernelName: name, backendName: 'tensorflow', kernelFunc: change(theirs) });
}

/** Theirs reads its indices back to check them, which a recording cannot. Ours are made by ourselves. */
export function mendGather(): void {
  const types: { readonly [dtype: string]: number } = {
    float32: DATA_TYPES.TF_FLOAT,
    int32: DATA_TYPES.TF_INT32,
    bool: DATA_TYPES.TF_BOOL,
  };
  replace('GatherV2', () => ({ inputs, attrs, backend }) => {
    const { x, indices } = inputs as { [name: string]: tf.Tensor };
    const { axis, batchDims } = attrs as { axis: number; batchDims: number };
    if (!x || !indices) throw new Error('gather needs x and indices');
    return tf.tidy(() => {
      const attributes = [
        { name: 'batch_dims', value: batchDims },
        { name: 'Tparams', value: types[x.dtype] },
        { name: 'Tindices', value: types[indices.dtype] },
        { name: 'Taxis', value: DATA_TYPES.TF_INT32 },
      ];
      const given = [x, indices, tf.scalar(axis, 'int32')];
      return (backend as KernelBackend).executeSingleOutput('GatherV2', attributes, given);
    });
  });
}

/** Products of two matrices by our own op (native/src/fused/matMul.cc) where `inChains`: each on one thread, it is faster than TensorFlow's. */
export function multiplyByOurOwn(inChains: () => boolean): void {
  replace('BatchMatMul', (theirs) => (given) => {
    const { a, b } = given.inputs as { [name: string]: tf.Tensor };
    if (!inChains() || a?.rank !== 2 || b?.rank !== 2) return theirs(given);
    const { transposeA, transposeB } = given.attrs as { [name: string]: boolean };
    return fusedMatMul(a as tf.Tensor2D, b as tf.Tensor2D, transposeA, transposeB);
  });
}
