import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

let known: string | undefined;

/** Says where the package is installed; for hosts that know it (an extension's own folder). */
export function setPackageRoot(folder: string): void {
  known = folder;
}

function isOurs(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return manifest.name === 'sparring';
  } catch {
    // no package.json here, or one that is none: not ours, look further up
    return false;
  }
}

/** The folder that holds our package.json, media/ and dist/: the first one upwards from this code. Throws an Error when there is none. */
export function packageRoot(): string {
  for (let folder = __dirname; known === undefined; folder = dirname(folder)) {
    if (isOurs(folder)) known = folder;
    else if (folder === dirname(folder)) throw new Error(`Sparring's package.json is in no folder above ${__dirname}`);
  }
  return known;
}
