import { Problem } from '../base/problem';
import type { UtilityData } from '../experiment/schema';
import { cell, readRows } from './readRows';

/** What the model should go on to say: the answer to a prompt, or raw text without the chat template. */
export type UtilityRow = { prompt: string; answer: string } | { text: string };

/** The utility rows of an experiment. A row with a prompt is a chat, else its text column counts. Throws a Problem when a row has neither. */
export function utilityRows(data: UtilityData): UtilityRow[] {
  return readRows(data.file, data.limit).map((row, i) => {
    if (row[data.prompt])
      return { prompt: cell(row, data.prompt, data.file, i + 1), answer: cell(row, data.answer, data.file, i + 1) };
    const text = row[data.text];
    if (text) return { text };
    throw new Problem(
      'missingColumn',
      `Row ${i + 1} of ${data.file} has neither ${data.prompt} and ${data.answer} nor ${data.text}; its columns are: ${Object.keys(row).join(', ')}.`,
      { file: data.file },
    );
  });
}
