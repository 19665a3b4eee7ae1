import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { one, run } from './fused';

// Frozen matrices laid out once as products read them (native/src/compute/panels.h): a product with rows of a batch then waits neither for the
// matrix to be laid out nor for memory, and one with few rows reads it from its beginning to its end.

/** A matrix W [inputs, outputs] in panels, which stands for itself only on the engine that made it. */
export interface PanelWeight {
  inputs: number;
  outputs: number;
  panels: Tensor1D;
  /** Its transposed in panels, for gradients that are taken many times; without, they lay it out anew. */
  back?: Tensor1D;
}

/** Whether the current engine has them. */
export const hasPanels = (): boolean => tf.getKernel('SparringPanels', tf.getBackend()) !== undefined;

export const isInPanels = (weight: object): weight is PanelWeight => 'panels' in weight;

/** x [inputs, outputs], or where `turned` [outputs, inputs]. The caller frees both. */
export function inPanels(x: Tensor2D, turned: boolean): PanelWeight {
  const [outputs, inputs] = turned ? x.shape : [x.shape[1], x.shape[0]];
  return {
    inputs,
    outputs,
    panels: one('SparringPanels', { x }, { sizes: [inputs, outputs, turned ? 1 : 0] }) as Tensor1D,
  };
}

/** W + a b, a [inputs, rank], b [rank, outputs], in both directions where that is said: the same products, bit for bit, in twice the memory. */
export function mergePanels(
  { inputs, outputs, panels }: PanelWeight,
  a: Tensor2D,
  b: Tensor2D,
  both: boolean,
): PanelWeight {
  const sizes = [inputs, outputs, both ? 1 : 0];
  const [merged, back] = run('SparringMergePanels', { panels, a, b }, { sizes }) as [Tensor1D, Tensor1D];
  if (both) return { inputs, outputs, panels: merged, back };
  back.dispose();
  return { inputs, outputs, panels: merged };
}

/** x W. x [N, inputs] -> [N, outputs]. No gradient reaches W. */
export function panelMatMul(x: Tensor2D, { inputs, outputs, panels, back }: PanelWeight): Tensor2D {
  const multiply = tf.customGrad((...given: (Tensor | tf.GradSaveFunc)[]) => ({
    value: one('SparringPanelMatMul', { x: given[0] as Tensor, panels }, { sizes: [inputs, outputs, 0] }) as Tensor2D,
    gradFunc: (dy: Tensor) =>
      back
        ? one('SparringPanelMatMul', { x: dy, panels: back }, { sizes: [outputs, inputs, 0] })
        : one('SparringPanelMatMul', { x: dy, panels }, { sizes: [inputs, outputs, 1] }),
  }));
  return multiply(x) as Tensor2D;
}

/** Columns of W, [N, inputs]. ids [N] int32 */
export const panelRows = ({ inputs, outputs, panels }: PanelWeight, ids: Tensor1D): Tensor2D =>
  one('SparringPanelRows', { panels, ids }, { sizes: [inputs, outputs] }) as Tensor2D;

/** Frees the matrix, in both directions where it has them. */
export function freePanels({ panels, back }: PanelWeight): void {
  tf.dispose([panels, back ?? []]);
}
