import { basename, isAbsolute } from 'node:path';
import { sha256, sha256File } from '../base/files';
import { filesOf } from '../experiment/resolve';
import type { Resolved } from '../experiment/schema';
import { isTemplateFile } from '../experiment/templateFile';
import { hashModel } from '../model/openModel';

/** What a run was made of, as sha256: the model's files, the data files, the experiment. */
export interface Hashes {
  model: string;
  data: string;
  /** Of the file that `template` names, where it names one; the model's own templates are among the model's files. */
  template?: string;
  config: string;
}

/** The same experiment has the same hash wherever it stands: of paths only the last part counts, of the file itself nothing. */
export function hashConfig({ file: _file, ...experiment }: Resolved): string {
  return sha256(
    JSON.stringify(experiment, (_key, value: unknown) =>
      typeof value === 'string' && isAbsolute(value) ? basename(value) : value,
    ),
  );
}

/** Hashes of everything an experiment reads. Throws a Problem for a file that is missing. */
export async function hashInputs(resolved: Resolved): Promise<Hashes> {
  const model = hashModel(resolved.model);
  const data: string[] = [];
  for (const { path } of filesOf(structuredClone(resolved)).filter(
    ({ at }) => at[0] === 'data' || at[0] === 'evaluation',
  ))
    data.push(await sha256File(path));
  const { template } = resolved;
  return {
    model,
    data: sha256(data.join('\n')),
    ...(template !== undefined && isTemplateFile(template) && { template: await sha256File(template) }),
    config: hashConfig(resolved),
  };
}
