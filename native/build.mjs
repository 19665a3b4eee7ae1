// Builds the addon for this machine with its C++ compiler, into native/prebuilds/PLATFORM-ARCH/sparring.node.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const { include_dir: headers } = createRequire(import.meta.url)('node-api-headers');
const folder = join(here, 'prebuilds', `${process.platform}-${process.arch}`);
const out = join(folder, 'sparring.node');
if (process.platform === 'win32') throw new Error('TensorFlow has no C library for Windows; the addon is not built there.');
const ofPlatform =
  process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-ldl', '-Wl,--gc-sections', '-s'];
mkdirSync(folder, { recursive: true });
const sources = readdirSync(join(here, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.cc') && !name.startsWith('wasm'))
  .sort()
  .map((name) => join(here, 'src', name));
execFileSync(
  process.env['CXX'] ?? 'c++',
  [
    ...['-std=c++17', '-O3', '-fno-math-errno', '-fPIC', '-shared', '-fvisibility=hidden', '-ffunction-sections', '-Wall', '-Wextra', '-Werror'],
    ...['-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=sparring', `-I${headers}`, ...sources, '-o', out, ...ofPlatform],
  ],
  { stdio: 'inherit' },
);
console.log(`${out}: ${Math.round(statSync(out).size / 1000)} kB`);
