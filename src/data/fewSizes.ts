import { dependsOnLength } from '../model/frequencies';
import type { DecoderConfig } from '../model/model';
import { compiles } from '../tensor/jit';
import { BatchSizes } from './batchSizes';

/**
 * The few sizes that batches of rows are padded to where calls are compiled, since each shape is a function of its own; undefined where
 * nothing is compiled, or where padding would change the numbers.
 */
export function fewSizes<Row, Size extends { length: number }>(
  { rope }: Pick<DecoderConfig, 'rope'>,
  batches: readonly (readonly Row[])[],
  sizeOf: (rows: readonly Row[]) => Size,
): BatchSizes<Size> | undefined {
  if (!compiles() || dependsOnLength(rope)) return undefined;
  const filled = batches.filter((rows) => rows.length > 0);
  return new BatchSizes(filled.map((rows) => ({ rows: rows.length, size: sizeOf(rows) })));
}
