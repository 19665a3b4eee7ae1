import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of what the WebAssembly kernels are built from. */
export function sourcesHash() {
  const src = join(dirname(fileURLToPath(import.meta.url)), 'src');
  const hash = createHash('sha256');
  for (const folder of ['compute', 'wasm'])
    for (const name of readdirSync(join(src, folder)).sort()) hash.update(`${name}\n`).update(readFileSync(join(src, folder, name)));
  return hash.digest('hex');
}
