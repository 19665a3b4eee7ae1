import * as tf from '@tensorflow/tfjs-core';
import { FUSED_KERNELS, type FusedAttributes, PANEL_KERNELS, registerFusedGradients } from '../../fused';

/** The order in which the ops take their inputs (native/src/fused/fused.cc). */
type Name = keyof typeof FUSED_KERNELS | keyof typeof PANEL_KERNELS;
const INPUTS: { readonly [name in Name]: readonly string[] } = {
  SparringRmsNorm: ['x', 'weight'],
  SparringRmsNormGrad: ['dy', 'x', 'weight'],
  SparringAddRmsNorm: ['x', 'added', 'weight'],
  SparringAddRmsNormGrad: ['dsum', 'dy', 'sum', 'weight'],
  SparringMatMul: ['a', 'b'],
  SparringAddMatMul: ['start', 'a', 'b'],
  SparringPackedMatMul: ['x', 'codes', 'scales'],
  SparringPackedRows: ['codes', 'scales', 'ids'],
  SparringPanels: ['x'],
  SparringPanelMatMul: ['x', 'panels'],
  SparringPanelRows: ['panels', 'ids'],
  SparringMergePanels: ['panels', 'a', 'b'],
  SparringAfter: ['x', 'other'],
  SparringSwiglu: ['gate', 'up'],
  SparringSwigluGrad: ['dy', 'gate', 'up'],
  SparringCausalSoftmax: ['scores', 'holes'],
  SparringCausalSoftmaxGrad: ['dy', 'y', 'holes'],
  SparringAttention: ['q', 'k', 'v', 'cos', 'sin', 'holes'],
  SparringAttentionGrad: ['dy', 'log_sums', 'q', 'k', 'v', 'cos', 'sin', 'holes'],
  SparringNextToken: ['q', 'k', 'v', 'cos', 'sin', 'keys', 'values', 'seen', 'cap'],
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
  register(FUSED_KERNELS);
  registerFusedGradients();
}

/** And those of products with matrices in panels. */
export const registerPanelKernels = (): void => register(PANEL_KERNELS);

function register(kernels: { readonly [name: string]: number }): void {
  for (const [name, outputs] of Object.entries(kernels))
    tf.registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const { sizes = [], factor = 0 } = (attrs ?? {}) as FusedAttributes;
        const given = INPUTS[name as Name].map((input) => inputs[input] as tf.Tensor);
        const attributes = [
          { name: 'sizes', value: sizes },
          { name: 'factor', value: factor },
        ];
        const made = (backend as KernelBackend).executeMultipleOutputs(name, attributes, given, outputs);
        return outputs === 1 ? (made[0] as tf.Tensor) : made;
      },
    });
}
