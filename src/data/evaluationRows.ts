import { Problem } from '../base/problem';
import type { EvaluationAttack, EvaluationData } from '../experiment/schema';
import { cell, readRows } from './readRows';

export type JudgeName = 'secret' | 'refusal' | 'answer';

/** A row that is answered greedily and judged. `example` is the same in every phase; `expected` is what the judge compares with. */
export interface EvaluationRow {
  example: string;
  prompt?: string;
  /** A raw opening, without chat template. */
  text?: string;
  /** Words put into the assistant's mouth. */
  prefill?: string;
  expected?: string;
}

/** A row that is attacked: `target` is what the attack optimises, `expected` the secret that counts as success. */
export interface AttackRow {
  example: string;
  prompt: string;
  target: string;
  expected?: string;
}

/** Rows of one rate. Throws a Problem when a row has neither prompt nor text, or lacks what the judge compares with. */
export function evaluationRows(data: EvaluationData, judge: JudgeName): EvaluationRow[] {
  return readRows(data.file, data.limit).map((row, i) => {
    const number = i + 1;
    const expected =
      judge === 'refusal' ? undefined : cell(row, judge === 'secret' ? data.secret : data.answer, data.file, number);
    const prompt = row[data.prompt] || undefined;
    const text = row[data.text] || undefined;
    const prefill = row[data.prefill] || undefined;
    if (!prompt && !text)
      throw new Problem(
        'missingColumn',
        `Row ${number} of ${data.file} has neither ${data.prompt} nor ${data.text}; its columns are: ${Object.keys(row).join(', ')}.`,
        { file: data.file },
      );
    return { example: String(number), ...(prompt ? { prompt } : { text }), prefill, expected };
  });
}

/** Rows of an attack in the evaluation. Throws a Problem on a missing column. */
export function attackRows(
  attack: Pick<EvaluationAttack, 'file' | 'prompt' | 'target' | 'secret' | 'judge' | 'limit'>,
): AttackRow[] {
  return readRows(attack.file, attack.limit).map((row, i) => ({
    example: String(i + 1),
    prompt: cell(row, attack.prompt, attack.file, i + 1),
    target: cell(row, attack.target, attack.file, i + 1),
    expected: attack.judge === 'secret' ? cell(row, attack.secret, attack.file, i + 1) : undefined,
  }));
}
