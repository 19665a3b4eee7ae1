import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { isHubModel, locateHubModel } from '../base/hubCache';
import { packageRoot } from '../base/packageRoot';
import { Problem } from '../base/problem';

const BUILTIN = 'builtin:';

/** What ships with Sparring, by the name after `builtin:` -> folder of the package. */
export const BUILTINS: { readonly [name: string]: string } = { keeper: 'media/keeper' };

/**
 * A path of an experiment file, made absolute: `builtin:keeper/data/leak.jsonl` lies in what ships with Sparring, anything else is relative to `folder`,
 * the experiment file's own; `hf:OWNER/NAME[@revision]` is that model in the Hugging Face cache. Throws a Problem for an unknown builtin, for one
 * that leaves its folder, and for a model that is not downloaded.
 */
export function locate(path: string, folder: string): string {
  if (isHubModel(path)) return locateHubModel(path, process.env);
  if (!path.startsWith(BUILTIN)) return resolve(folder, path);
  const [name = '', ...rest] = path.slice(BUILTIN.length).split(/[/\\]/);
  const place = Object.hasOwn(BUILTINS, name) ? BUILTINS[name] : undefined;
  if (place === undefined) {
    const names = Object.keys(BUILTINS).map((it) => BUILTIN + it);
    throw new Problem('unknownBuiltin', `Nothing called '${path}' ships with Sparring; there is ${names.join(', ')}.`, {
      fix: { kind: 'set', title: `Use '${names[0]}'`, value: [names[0], ...rest].join('/') },
    });
  }
  const top = join(packageRoot(), place);
  const full = join(top, ...rest);
  const inside = relative(top, full);
  if (isAbsolute(inside) || inside.split(sep)[0] === '..')
    throw new Problem('outsideBuiltin', `'${path}' leaves the folder of ${BUILTIN}${name}; give a path without '..'.`);
  return full;
}
