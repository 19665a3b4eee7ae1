#!/usr/bin/env node
// The command line. In a checkout, where dist/ is made from the sources, it is made first where it is missing or older than they are.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const command = join(root, 'dist', 'cli.js');
const sources = join(root, 'src');

function isOld() {
  if (!existsSync(command)) return true;
  const made = statSync(command).mtimeMs;
  return readdirSync(sources, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs > made,
  );
}

// An installed package has no sources.
if (existsSync(sources) && isOld()) {
  console.error('sparring: building dist/');
  const { status } = spawnSync(process.execPath, [join(root, 'build.mjs'), '--quiet'], { stdio: 'inherit', cwd: root });
  if (status !== 0) {
    console.error('sparring: dist/ could not be built; run npm ci in its folder first.');
    process.exit(1);
  }
}
createRequire(import.meta.url)(command);
