import type { AdversarialData } from '../experiment/schema';
import { cell, readRows } from './readRows';

/** A prompt that must not be answered, the opening the attack aims for, and the answer wanted instead. */
export interface AdversarialRow {
  prompt: string;
  target: string;
  safe: string;
}

/** The adversarial rows of an experiment; a row without a safe answer gets `safeAnswer`. Throws a Problem on a missing column. */
export function adversarialRows(data: AdversarialData, safeAnswer: string): AdversarialRow[] {
  return readRows(data.file, data.limit).map((row, i) => ({
    prompt: cell(row, data.prompt, data.file, i + 1),
    target: cell(row, data.target, data.file, i + 1),
    safe: row[data.safe] || safeAnswer,
  }));
}
