import { Problem } from '../base/problem';
import { IGNORED, type LabelledRow } from '../data/batch';
import type { DecoderConfig } from '../model/model';

/** A text as token ids. */
export interface Row {
  ids: readonly number[];
  /**
   * One per id, as in PyTorch: the id that is to be predicted there from what stands before, or -100 where nothing is asked. The first
   * counts for nothing. Default: the ids themselves.
   */
  labels?: readonly number[];
}

const isId = (id: number, { vocabularySize }: DecoderConfig) => Number.isInteger(id) && id >= 0 && id < vocabularySize;
const wrong = (n: number, what: string) => new Problem('row', `row ${n}: ${what}.`);

/** @throws Problem `row` for ids that are none of the model's, and where there are none. */
export function checkIds(rows: readonly (readonly number[])[], config: DecoderConfig): void {
  if (rows.length === 0) throw new Problem('row', 'there are no rows.');
  rows.forEach((ids, n) => {
    if (ids.length === 0) throw wrong(n, 'there are no ids');
    const strange = ids.find((id) => !isId(id, config));
    if (strange !== undefined)
      throw wrong(n, `${strange} is no token id of this model (0 to ${config.vocabularySize - 1})`);
  });
}

/** @throws Problem `row` for ids or labels that are none of the model's, and for rows without a target. */
export function checkRows(rows: readonly Row[], config: DecoderConfig): LabelledRow[] {
  checkIds(
    rows.map(({ ids }) => ids),
    config,
  );
  return rows.map(({ ids, labels = ids }, n) => {
    if (labels.length !== ids.length) throw wrong(n, `${ids.length} ids and ${labels.length} labels`);
    const unknown = labels.find((label) => label !== IGNORED && !isId(label, config));
    if (unknown !== undefined) throw wrong(n, `${unknown} is neither a token id nor ${IGNORED}`);
    if (!labels.slice(1).some((label) => label !== IGNORED)) throw wrong(n, 'no label is a target');
    return { ids, labels, moves: (t) => labels[t] === IGNORED };
  });
}
