import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { COMPARISONS, JOBS, NUMBERS, PAIRS } from '../../src/tensor/backend/wasm/wasmJobs';
import { kernelFiles } from '../../src/tensor/backend/wasm/wasmPool';

const native = join(__dirname, '..', '..', 'native');

for (const file of kernelFiles())
  test(`the WebAssembly kernels that are here (${basename(file)}) are built from the sources that are here`, () => {
    const script = "import { sourcesHash } from './sourcesHash.mjs'; console.log(sourcesHash());";
    const args = ['--input-type=module', '-e', script];
    const hash = execFileSync(process.execPath, args, { cwd: native, encoding: 'utf8' }).trim();
    const bytes = readFileSync(file).toString('latin1');
    assert.ok(bytes.endsWith(`sources${hash}`), 'run "npm run build:wasm" (docs/engines.md) and commit what it gives');
  });

test('what the kernels are told by number stands in one order on both sides', () => {
  const source = readFileSync(join(native, 'src', 'wasm', 'kernels.cc'), 'utf8');
  const names = (list: string) => {
    const listed = new RegExp(`enum ${list} \\{([^}]*)\\}`).exec(source)?.[1] ?? '';
    return [...listed.matchAll(/k(\w+)/g)].map(([, name = '']) => name[0]?.toLowerCase() + name.slice(1));
  };
  assert.deepEqual(names('Op'), Object.keys(JOBS));
  assert.deepEqual(names('Numbers'), [...NUMBERS]);
  assert.deepEqual(names('PairsOfNumbers'), [...PAIRS]);
  assert.deepEqual(names('Comparisons'), [...COMPARISONS]);
});
