// Builds the WebAssembly engine's kernels into native/prebuilds/wasm: once for engines that know relaxed SIMD, whose multiply-add rounds once and
// is twice as fast, and once for those that do not. Needs clang with its linker for WebAssembly: CLANG names it, `zig c++` (of the package
// ziglang) is one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { sourcesHash } from './sourcesHash.mjs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, 'prebuilds', 'wasm');
const [command = 'clang++', ...first] = (process.env['CLANG'] ?? 'clang++').split(' ');
mkdirSync(folder, { recursive: true });
for (const [name, ...flags] of [['relaxed', '-mrelaxed-simd'], ['plain']]) {
  const out = join(folder, `${name}.wasm`);
  execFileSync(
    command,
    [
      ...first,
      ...['-target', 'wasm32-freestanding', '-std=c++17', '-O3', '-g0', '-Wall', '-Wextra', '-Werror'],
      ...['-ffp-contract=fast', '-fno-math-errno', '-fno-exceptions', '-fno-rtti', '-nostdlib'],
      ...['-msimd128', '-matomics', '-mbulk-memory', ...flags, join(here, 'src', 'wasm', 'kernels.cc'), '-o', out],
      ...['--no-entry', '--import-memory', '--shared-memory', '--max-memory=4294901760', '--export=__stack_pointer', '--strip-all'].map(
        (flag) => `-Wl,${flag}`,
      ),
    ],
    { stdio: 'inherit' },
  );
  const bytes = readFileSync(out);
  // the memory may have 65536 pages, as the backend's, a number of bytes that not every linker can read
  const most = bytes.indexOf(Buffer.from([0x02, 0x03, 0x10, 0xff, 0xff, 0x03]));
  if (most < 0) throw new Error(`${out} does not import the memory that was asked for`);
  bytes.set([0x80, 0x80, 0x04], most + 3);
  // a section of our own that says what it was built from (a test compares)
  const text = Buffer.from(`\x07sources${sourcesHash()}`);
  writeFileSync(out, Buffer.concat([bytes, Buffer.from([0, text.length]), text]));
  console.log(`${out}: ${Math.round(readFileSync(out).length / 1000)} kB`);
}
