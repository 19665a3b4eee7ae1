import * as tf from '@tensorflow/tfjs-core';
import { FUSED_KERNELS, type FusedAttributes, registerFusedGradients } from '../../fused';

/** The order in which the ops take their inputs (native/src/fused/fused.cc). */
const INPUTS: { readonly [name in keyof typeof FUSED_KERNELS]: readonly string[] } = {
  SparringRmsNorm: ['x', 'weight'],
  SparringRmsNormGrad: ['dy', 'x', 'weight'],
  SparringAddRmsNorm: ['x', 'added', 'weight'],
  SparringAddRmsNormGrad: ['dsum', 'dy', 'sum', 'weight'],
  SparringMatMul: ['a', 'b'],
  SparringAddMatMul: ['start', 'a', 'b'],
  SparringPackedMatMul: ['x', 'codes', 'scales'],
  SparringPackedRows: ['codes', 'scales', 'ids'],
  SparringAfter: ['x', 'other'],
  SparringSwiglu: ['gate', 'up'],
  SparringSwigluGrad: ['dy', 'gate', 'up'],
  SparringCausalSoftmax: ['scores', 'holes'],
  SparringCausalSoftmaxGrad: ['dy', 'y', 'holes'],
  SparringAttention: ['q', 'k', 'v', 'cos', 'sin', 'holes'],
  SparringAttentionGrad: ['dy', 'log_sums', 'q', 'k', 'v', 'cos', 'sin', 'holes'],
  SparringSplitHeads: ['x', 'cos', 'sin'],
  SparringMergeHeads: ['x', 'cos', 'sin'],
  SparringTargetLogProbs: ['logits', 'ids'],
  SparringTargetLogProbsGrad: ['dy', 'logits', 'log_sums', 'ids'],
  SparringDropout: ['x', 'key'],
  SparringAdamw: ['parameter', 'grad', 'first', 'second', 'numbers'],
};

interface KernelBackend {
  executeMultipleOutputs(name: string, attributes: object[], inputs: tf.Tensor[], outputs: number): tf.Tensor[];
}

/** Makes the addon's fused ops kernels of the backend `tensorflow`, which runs on a processor. */
export function registerFusedKernels(): void {
  for (const [name, outputs] of Object.entries(FUSED_KERNELS))
    tf.registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const { sizes = [], factor = 0 } = (attrs ?? {}) as FusedAttributes;
        const given = INPUTS[name as keyof typeof INPUTS].map((input) => inputs[input] as tf.Tensor);
        const attributes = [
          { name: 'sizes', value: sizes },
          { name: 'factor', value: factor },
        ];
        const made = (backend as KernelBackend).executeMultipleOutputs(name, attributes, given, outputs);
        return outputs === 1 ? (made[0] as tf.Tensor) : made;
      },
    });
  registerFusedGradients();
}
