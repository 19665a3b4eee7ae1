import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { probeEngines, startEngine } from '../../src/tensor/engine';

/** A folder in which the packages, given by their main file's text, can be found. */
function folderWith(packages: { [name: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'engines-'));
  for (const [name, text] of Object.entries(packages)) {
    const at = join(folder, 'node_modules', name);
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'package.json'), JSON.stringify({ name, version: '4.22.0', main: 'index.js' }));
    writeFileSync(join(at, 'index.js'), text);
  }
  return folder;
}

/** Something that answers like the package, with the product and version given. */
const fake = (product: number, version: string) => `
  const util = require('util');
  if (!util.isArray([]) || !util.isNullOrUndefined(null)) throw new Error('no shim');
  module.exports = {
    matMul: () => ({ dataSync: () => [${product}] }),
    backend: () => ({ binding: { TF_Version: '2.9.1' }, isUsingGpuDevice: true }),
    getBackend: () => 'tensorflow',
    version: { 'tfjs-node': '${version}' },
  };`;

async function probed(packages: { [name: string]: string }) {
  const nativePath = folderWith(packages);
  try {
    return await probeEngines({ engine: 'native', nativePath });
  } finally {
    rmSync(nativePath, { recursive: true });
  }
}

test('where nothing is found, auto takes wasm and says what it missed', async () => {
  const nativePath = folderWith({});
  const engine = await startEngine({ engine: 'auto', threads: 1, nativePath });
  assert.equal(engine.name, 'wasm');
  assert.equal(engine.threads, 1);
  const [native, webgpu, wasm] = engine.candidates;
  assert.equal(webgpu?.name, 'webgpu');
  assert.equal(native?.found, false);
  assert.match(native?.refused ?? '', /tfjs-node-gpu/);
  assert.match(native?.mend ?? '', /sparring engine install/);
  assert.deepEqual([wasm?.name, wasm?.found, wasm?.refused], ['wasm', true, undefined]);
  await assert.rejects(startEngine({ engine: 'native', nativePath }), (error) => {
    return error instanceof Problem && error.data.code === 'engineNative' && /engine install/.test(error.message);
  });
  rmSync(nativePath, { recursive: true });
});

test('a package that works is described', async () => {
  const [native, ...more] = await probed({ '@tensorflow/tfjs-node-gpu': fake(12, '4.22.0') });
  assert.deepEqual(more, []);
  assert.deepEqual(native, {
    name: 'native',
    found: true,
    version: '@tensorflow/tfjs-node-gpu 4.22.0, TensorFlow 2.9.1',
    device: 'GPU (TensorFlow)',
  });
});

test('packages that crash, lack their binary or compute wrongly are refused with the reason and a mend', async () => {
  const crashing = await probed({
    '@tensorflow/tfjs-node-gpu': 'process.abort()',
    '@tensorflow/tfjs-node': `throw new Error('The Node.js native addon module can not be found at path: x')`,
  });
  assert.deepEqual(
    crashing.map(({ found }) => found),
    [true, true],
  );
  assert.match(crashing[0]?.refused ?? '', /SIGABRT|code/);
  assert.match(crashing[1]?.refused ?? '', /can not be found at path/);
  assert.match(crashing[1]?.mend ?? '', /npm rebuild @tensorflow\/tfjs-node /);
  const [wrong] = await probed({ '@tensorflow/tfjs-node': fake(13, '4.22.0') });
  assert.match(wrong?.refused ?? '', /13/);
  const [old] = await probed({ '@tensorflow/tfjs-node': fake(12, '3.21.0') });
  assert.match(old?.refused ?? '', /3\.21\.0/);
});
