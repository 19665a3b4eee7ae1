import { basename, dirname } from 'node:path';
import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';
import { nearest } from './nearest';
import { isTemplateFile } from './templateFile';

/** Whether the file that `template` names is there. What it holds, and whether the model has a template of a name, the run tells. */
export function checkTemplate({ experiment, written, files }: CheckContext): PlacedProblem[] {
  const { template } = experiment;
  if (template === undefined || files.isFile(template)) return [];
  const problem = (message: string, fix?: PlacedProblem['fix']): PlacedProblem[] => [
    { code: 'templateMissing', severity: 'error', at: ['template'], part: 'value', message, fix },
  ];
  if (!isTemplateFile(template))
    return /[\\/]/.test(template)
      ? problem(
          `'${template}' is no chat template: give a path that ends in .jinja, or the name of one of the model's templates.`,
        )
      : [];
  if (files.isFolder(template)) return problem(`${template} is a folder: name a .jinja file.`);
  const folder = dirname(template);
  const names = files.isFolder(folder) ? files.namesIn(folder).filter(isTemplateFile) : [];
  const other = nearest(basename(template), names);
  if (other === undefined)
    return problem(`There is no chat template ${template}: correct the path, which starts at this file's folder.`);
  const path = (written as { template: string }).template;
  const value = path.slice(0, path.length - basename(template).length) + other;
  return problem(`There is no chat template ${template}: did you mean '${other}'?`, {
    kind: 'set',
    title: `Use '${other}'`,
    value,
  });
}
