import { basename } from 'node:path';
import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';
import { shown } from './explain';
import type { Path } from './parse';

const key = (value: unknown): string => (typeof value === 'string' ? value.trim().replaceAll(/\s+/g, ' ') : '');

/**
 * Prompts that are trained on and measured as if they were new. Success against prompts of the training says how well it went, not whether the model
 * became robust, so it is refused unless the file says that this is meant.
 */
export function checkOverlap({ experiment, sample }: CheckContext): PlacedProblem[] {
  const { data, evaluation } = experiment;
  const prompts = (file: string, column: string, limit?: number): { row: number; prompt: string }[] =>
    (sample(file)?.rows.slice(0, limit) ?? []).flatMap((row, i) => {
      const prompt = key(row[column]);
      return prompt === '' ? [] : [{ row: i + 1, prompt }];
    });
  const seenIn = (file: string, column: string, limit?: number): ReadonlySet<string> =>
    new Set(prompts(file, column, limit).map((it) => it.prompt));
  const trained = seenIn(data.adversarial.file, data.adversarial.prompt, data.adversarial.limit);

  const problems: PlacedProblem[] = [];
  function compare(
    at: Path,
    rows: { file: string; prompt: string; limit?: number },
    against: ReadonlySet<string>,
    trainedFile: string,
    say: (found: string) => Omit<PlacedProblem, 'at' | 'part'>,
  ): void {
    const all = prompts(rows.file, rows.prompt, rows.limit);
    const both = all.filter((it) => against.has(it.prompt));
    const first = both[0];
    if (!first) return;
    const count = `${both.length} of ${all.length} prompts of ${basename(rows.file)}`;
    const found = `${count} ${both.length === 1 ? 'is' : 'are'} also trained on (in ${basename(trainedFile)}), first row ${first.row}: ${shown(first.prompt)}`;
    problems.push({ ...say(found), at: [...at, 'file'], part: 'value' });
  }

  evaluation.attacks.forEach((attack, i) => {
    if (attack.allowTrained) return;
    compare(['evaluation', 'attacks', i], attack, trained, data.adversarial.file, (found) => ({
      code: 'trainedPrompts',
      severity: 'error',
      message: `${found}. Attack other prompts, or set allowTrained to true here.`,
    }));
  });
  if (evaluation.refusalHeldOut)
    compare(['evaluation', 'refusalHeldOut'], evaluation.refusalHeldOut, trained, data.adversarial.file, (found) => ({
      code: 'trainedPrompts',
      severity: 'error',
      message: `${found}. Held-out wordings must be new: take them out, or measure them as evaluation.refusal.`,
    }));
  if (evaluation.utility && data.utility)
    compare(
      ['evaluation', 'utility'],
      evaluation.utility,
      seenIn(data.utility.file, data.utility.prompt, data.utility.limit),
      data.utility.file,
      (found) => ({
        code: 'trainedPrompts',
        severity: 'warning',
        message: `${found}. Utility is best measured on questions that are not: take them out of one of the two.`,
      }),
    );
  return problems;
}
