import * as tf from '@tensorflow/tfjs-core';
import { freePanels, isInPanels, type PanelWeight, panelMatMul } from '../tensor/panels';
import { freePacked, isPacked, multiplyPacked, type Packed } from './packed';

/** A frozen matrix [in, out], in whichever form the engine has it. */
export type Matrix = tf.Tensor2D | PanelWeight | Packed;

/** x [N, in] times the matrix, [N, out]. */
export function multiply(x: tf.Tensor2D, matrix: Matrix): tf.Tensor2D {
  if (isInPanels(matrix)) return panelMatMul(x, matrix);
  return isPacked(matrix) ? multiplyPacked(x, matrix) : tf.matMul(x, matrix);
}

export function freeMatrix(matrix: Matrix): void {
  if (isInPanels(matrix)) freePanels(matrix);
  else if (isPacked(matrix)) freePacked(matrix);
  else matrix.dispose();
}
