import { basename, isAbsolute } from 'node:path';
import { sha256, sha256File } from '../base/files';
import { filesOf } from '../experiment/resolve';
import type { Resolved } from '../experiment/schema';
import { hashModel } from '../model/openModel';

/** What a run was made of, as sha256: the model's files, the data files, the experiment. */
export interface Hashes {
  model: string;
  data: string;
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
  for (const { path } of filesOf(structuredClone(resolved)).filter(({ at }) => at[0] !== 'model'))
    data.push(await sha256File(path));
  return { model, data: sha256(data.join('\n')), config: hashConfig(resolved) };
}
