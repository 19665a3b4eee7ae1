import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { webgpuIn } from '../../src/tensor/backend/webgpu/webgpuPackage';
import { probeEngines, startEngine } from '../../src/tensor/engine';
import { temporaryFolder } from '../temporaryFolder';

/** A folder whose package webgpu is this program. */
function folderWith(program: string): string {
  const folder = temporaryFolder();
  const at = join(folder, 'node_modules', 'webgpu');
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'webgpu', version: '9.8.7', type: 'module' }));
  writeFileSync(join(at, 'index.js'), program);
  return folder;
}

/** Something that answers like the package, with a device of this description that computes this product. */
const fake = (info: object, product: number) => `
  const all = new Proxy(() => all, { get: (_, name) => (name === 'then' ? undefined : all) });
  const buffer = { mapAsync: async () => {}, getMappedRange: () => Float32Array.of(${product}).buffer };
  const device = new Proxy({}, { get: (_, name) => (name === 'then' ? undefined : name === 'createBuffer' ? () => buffer : all) });
  const adapter = { info: ${JSON.stringify(info)}, requestDevice: async () => device };
  export const create = () => ({ requestAdapter: async () => adapter });
  export const globals = { GPUBufferUsage: {}, GPUMapMode: {} };`;

async function probed(program: string, engine: 'auto' | 'webgpu') {
  const candidates = await probeEngines({ engine, webgpuPath: folderWith(program), nativePath: temporaryFolder() });
  return candidates.find(({ name }) => name === 'webgpu');
}

test('a GPU is described, and auto takes it before wasm', async () => {
  const info = { vendor: 'acme', architecture: 'two', description: 'Acme Two' };
  assert.deepEqual(await probed(fake(info, 12), 'auto'), {
    name: 'webgpu',
    found: true,
    version: 'webgpu 9.8.7',
    device: 'GPU (Acme Two)',
  });
});

test('a software device is passed over by auto and taken by name', async () => {
  for (const info of [
    { vendor: 'google', architecture: 'swiftshader', description: 'x' },
    { vendor: 'mesa', description: 'llvmpipe (LLVM 15)' },
    { vendor: 'microsoft', description: 'Microsoft Basic Render Driver' },
    { vendor: 'new', isFallbackAdapter: true },
  ]) {
    const passed = await probed(fake(info, 12), 'auto');
    assert.match(passed?.refused ?? '', /software device is slower than wasm/);
    assert.match(passed?.mend ?? '', /--engine webgpu takes it/);
    const named = await probed(fake(info, 12), 'webgpu');
    assert.equal(named?.refused, undefined);
    assert.match(named?.device ?? '', /^software device \(.*\), slow; for correctness only$/);
  }
});

test('a package that crashes, has no device or computes wrongly is refused with the reason and a mend', async () => {
  const crashing = await probed('process.abort()', 'webgpu');
  assert.match(crashing?.refused ?? '', /SIGABRT|code/);
  assert.match(crashing?.mend ?? '', /sparring engine install --webgpu/);
  const broken = await probed('throw new Error("not a valid Win32 application")', 'webgpu');
  assert.match(broken?.refused ?? '', /not a valid Win32/);
  const none = 'export const create = () => ({ requestAdapter: async () => null }); export const globals = {};';
  assert.match((await probed(none, 'webgpu'))?.refused ?? '', /no device/);
  assert.match((await probed(fake({}, 13), 'webgpu'))?.refused ?? '', /3 x 4 = 13/);
  const folder = folderWith(none);
  await assert.rejects(startEngine({ engine: 'webgpu', webgpuPath: folder }), (error) => {
    return error instanceof Problem && error.data.code === 'engineWebgpu' && /no device/.test(error.message);
  });
});

test('the package is looked for in one folder, not in those above it', () => {
  const folder = folderWith('');
  assert.equal(webgpuIn(folder)?.version, '9.8.7');
  assert.equal(webgpuIn(join(folder, 'node_modules', 'webgpu'))?.version, '9.8.7');
  const below = join(folder, 'project');
  mkdirSync(below);
  assert.equal(webgpuIn(below), undefined);
});

test('on Windows the native engine names what there is instead', async () => {
  const { platform, env } = process;
  const home = env['SPARRING_HOME'];
  env['SPARRING_HOME'] = temporaryFolder();
  Object.defineProperty(process, 'platform', { value: 'win32' });
  try {
    const [native] = await probeEngines({ engine: 'native' });
    assert.match(native?.refused ?? '', /wheel for Windows has no usable C library/);
    assert.match(native?.mend ?? '', /sparring engine install --webgpu\) or wasm/);
  } finally {
    Object.defineProperty(process, 'platform', { value: platform });
    if (home === undefined) delete env['SPARRING_HOME'];
    else env['SPARRING_HOME'] = home;
  }
});

const webgpuPath = process.env['SPARRING_WEBGPU'];
const skip = webgpuPath ? false : 'SPARRING_WEBGPU names no folder that has the package';

test('values come to those who wait, and a device that failed gives no more of them', { skip }, async () => {
  const engine = await startEngine({ engine: 'webgpu', webgpuPath });
  assert.deepEqual([engine.name, engine.threads], ['webgpu', 1]);
  const sum = tf.add(tf.tensor1d([1, 2]), 1);
  assert.throws(() => sum.dataSync(), /await tensor\.data\(\)/);
  assert.deepEqual([...(await sum.data())], [2, 3]);
  // a terabyte in one buffer: more than any device allows
  const { device } = tf.backend() as unknown as { device: { createBuffer(of: object): unknown } };
  device.createBuffer({ size: 2 ** 40, usage: 0x80 });
  await assert.rejects(
    async () => {
      for (let i = 0; i < 20; i++) await tf.add(tf.tensor1d([1, 2]), 1).data();
    },
    (error) => error instanceof Problem && error.data.code === 'engineDevice',
  );
  sum.dispose();
});
