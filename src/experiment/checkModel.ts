import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';

const NEEDED: readonly { what: string; fits(name: string): boolean }[] = [
  { what: 'config.json', fits: (name) => name === 'config.json' },
  { what: 'tokenizer.json', fits: (name) => name === 'tokenizer.json' },
  { what: 'weights (*.safetensors)', fits: (name) => name.endsWith('.safetensors') },
];

/** A folder's files tell whether it is a model; what they hold, the run tells. */
export function checkModel({ experiment, files }: CheckContext): PlacedProblem[] {
  const problem = (code: string, message: string): PlacedProblem[] => [
    { code, severity: 'error', at: ['model'], part: 'value', message },
  ];
  const folder = experiment.model;
  if (files.isFile(folder))
    return folder.endsWith('.gguf')
      ? []
      : problem(
          'modelMissing',
          `${folder} is a file: name the folder that holds the model's config.json and weights, or a .gguf file.`,
        );
  if (!files.isFolder(folder))
    return problem(
      'modelMissing',
      `There is no model folder ${folder}: download the model into it, or correct the path, which starts at this file's folder.`,
    );
  const names = files.namesIn(folder);
  const missing = NEEDED.filter((it) => !names.some(it.fits)).map((it) => it.what);
  if (missing.length === 0 || names.filter((name) => name.endsWith('.gguf')).length === 1) return [];
  return problem(
    'modelIncomplete',
    `The model folder ${folder} has no ${missing.join(', no ')}: it must hold a model as Hugging Face publishes it, or one .gguf file.`,
  );
}
