import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { Problem } from '../base/problem';

/**
 * The path of a model's own file, or undefined where there is none. A model folder is untrusted: neither a name nor a symlink may
 * lead out of it, but for the standard Hugging Face cache, whose snapshots are links into the same model's blobs. `under`: a folder inside
 * of it, named by us.
 * @throws Problem `modelFile`
 */
export function modelFile(folder: string, name: string, under = ''): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[\\/\0]/.test(name))
    throw new Problem('modelFile', `the model names the file ${JSON.stringify(name)}, which is no plain name.`, {
      file: folder,
    });
  const path = join(folder, under, name);
  if (!existsSync(path)) return undefined;
  const root = homeOf(realpathSync(folder));
  const inside = relative(root, realpathSync(path));
  if (inside === '' || inside.startsWith(`..${sep}`) || inside === '..' || resolve(root, inside) === inside)
    throw new Problem(
      'modelFile',
      'the file is a link that leads out of the model folder; put the file itself there.',
      {
        file: path,
      },
    );
  // A pipe would be read for ever.
  if (!statSync(path).isFile()) throw new Problem('modelFile', 'this is no plain file.', { file: path });
  return path;
}

/** What a model's files may link into: its folder, or in the cache (models--OWNER--NAME/snapshots/REVISION) the model's part of it. */
function homeOf(folder: string): string {
  const home = dirname(dirname(folder));
  const cached = basename(dirname(folder)) === 'snapshots' && basename(home).startsWith('models--');
  return cached ? home : folder;
}
