import * as tf from '@tensorflow/tfjs-core';
import { type PackedWeight, packedMatMul, packedRows } from '../tensor/fused';
import { isInPanels, type PanelWeight, panelMatMul, panelRows } from '../tensor/panels';
import { gatherRows } from './gatherRows';
import { isPacked } from './packed';

/** Embeddings [V, D], in whichever form the engine has them; in panels as their transposed. */
export type Table = tf.Tensor2D | PanelWeight | PackedWeight;

/** Rows of the table. places [N] int32 -> [N, D]; a gradient reaches only a tensor. */
export function rowsOf(table: Table, places: tf.Tensor1D): tf.Tensor2D {
  if (isInPanels(table)) return panelRows(table, places);
  return isPacked(table) ? packedRows(table, places) : gatherRows(table, places);
}

/** x [N, D] times the transposed table, [N, V]. */
export function timesTable(x: tf.Tensor2D, table: Table): tf.Tensor2D {
  if (isInPanels(table)) return panelMatMul(x, table);
  return isPacked(table) ? packedMatMul(x, table) : tf.matMul(x, table, false, true);
}

/** V */
export const tableRows = (table: Table): number => (table instanceof tf.Tensor ? table.shape[0] : table.outputs);
