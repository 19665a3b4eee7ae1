import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { tinyFolder } from '../model/golden';
import { temporaryFolder } from '../temporaryFolder';

const root = join(__dirname, '..', '..');

test('a script elsewhere imports the built package, with types', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'sparring'), 'junction');
  const script = `import { attackRows, openModel, startEngine, type TargetLosses } from 'sparring';
await startEngine({ engine: 'wasm', threads: 1 });
const model = await openModel(process.argv[2] ?? '');
const ids = model.chat.prompt([{ role: 'user', content: 'Is it cold?' }]);
const labels = [...ids.map(() => -100), 5, 6];
const found: TargetLosses = await attackRows(model, [{ ids: [...ids, 5, 6], labels }], { options: { epsilon: 0.5 } });
console.log(JSON.stringify(found.rowLosses));
model.close();
process.exit(0);
`;
  writeFileSync(join(folder, 'script.mts'), script);
  writeFileSync(join(folder, 'script.mjs'), script.replace(', type TargetLosses', '').replace(': TargetLosses', ''));
  const tsc = join(dirname(createRequire(join(root, 'package.json')).resolve('typescript/package.json')), 'bin', 'tsc');
  const check = (text: string) => {
    writeFileSync(join(folder, 'script.mts'), text);
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--skipLibCheck',
      '--types',
      'node',
    ];
    const types = ['--typeRoots', join(root, 'node_modules', '@types')];
    execFileSync(process.execPath, [tsc, ...options, ...types, 'script.mts'], { cwd: folder, encoding: 'utf8' });
  };
  check(script);
  assert.throws(() => check(script.replace('epsilon: 0.5', "epsilon: 'half'")), /Command failed/);
  const output = execFileSync(process.execPath, [join(folder, 'script.mjs'), tinyFolder], { encoding: 'utf8' });
  const losses: unknown = JSON.parse(output);
  assert.ok(Array.isArray(losses) && losses.length === 1 && losses[0] > 0, output);
});
