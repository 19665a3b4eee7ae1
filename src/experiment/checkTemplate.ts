import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';

/** Whether a template that is named by its path is there; a name among the model's own is found when the model is opened. */
export function checkTemplate({ experiment: { template }, files }: CheckContext): PlacedProblem[] {
  if (!template?.endsWith('.jinja') || files.isFile(template)) return [];
  const message = `There is no chat template ${template}: correct the path, which starts at this file's folder.`;
  return [{ code: 'templateMissing', severity: 'error', at: ['template'], part: 'value', message }];
}
