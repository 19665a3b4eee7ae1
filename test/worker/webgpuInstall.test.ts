import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { Cancelled, Problem } from '../../src/base/problem';
import { WEBGPU_VERSION, webgpuFolder, webgpuIn } from '../../src/tensor/backend/webgpu/webgpuPackage';
import { installEngine } from '../../src/worker/engineInstall';
import { installWebgpu, removeWebgpu } from '../../src/worker/webgpuInstall';
import { temporaryFolder } from '../temporaryFolder';

// A script that plays npm: nothing is downloaded in tests.
const skip = process.platform === 'win32';
let home: string;
beforeEach(() => {
  home = temporaryFolder();
  process.env['SPARRING_HOME'] = home;
});

type Play = 'works' | 'fails' | 'isOffline' | 'hangs' | 'hasNoBinary';

function npm(play: Play): string {
  const path = join(temporaryFolder(), 'npm');
  writeFileSync(
    path,
    `#!${process.execPath}
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const play = ${JSON.stringify(play)};
if (args[0] !== 'install' || !args.includes('--ignore-scripts')) throw new Error('a script of the package would run');
if (play === 'fails') { console.error('npm error code ETARGET\\nnpm error notarget No matching version found for ' + args.at(-1)); process.exit(1); }
if (play === 'isOffline') { console.error('npm error code ENOTFOUND\\nnpm error network request failed, reason: getaddrinfo ENOTFOUND'); process.exit(1); }
if (play === 'hangs') setInterval(() => {}, 1000);
else {
  const at = join(args[args.indexOf('--prefix') + 1], 'node_modules', 'webgpu');
  const platforms = play === 'works' ? [process.platform + '-' + process.arch, 'other-cpu'] : ['other-cpu'];
  for (const platform of platforms) {
    mkdirSync(join(at, 'dist', platform), { recursive: true });
    writeFileSync(join(at, 'dist', platform, 'dawn.node'), 'binary');
  }
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'webgpu', version: args.at(-1).split('@')[1] }));
  writeFileSync(join(at, 'index.js'), '');
}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

const say = () => undefined;

test('the package is kept with this machine’s binary alone, and found again; removal leaves nothing', {
  skip,
}, async () => {
  assert.equal(await installWebgpu({ npm: npm('works'), say }), webgpuFolder());
  const found = webgpuIn(webgpuFolder());
  assert.equal(found?.version, WEBGPU_VERSION);
  const binaries = readdirSync(join(webgpuFolder(), 'node_modules', 'webgpu', 'dist'));
  assert.deepEqual(binaries, [`${process.platform}-${process.arch}`]);
  assert.equal(removeWebgpu(), true);
  assert.deepEqual(readdirSync(join(home, 'engine')), []);
  assert.equal(removeWebgpu(), false);
});

test('what is missing is said, and what stood there before still stands', { skip }, async () => {
  await installWebgpu({ npm: npm('works'), say });
  const refused = async (path: string, says: RegExp) => {
    await assert.rejects(installWebgpu({ npm: path, say }), (error) => {
      assert.ok(error instanceof Problem && error.data.code === 'npm', String(error));
      assert.match(error.message, says);
      return true;
    });
    assert.equal(webgpuIn(webgpuFolder())?.version, WEBGPU_VERSION);
    assert.deepEqual(readdirSync(join(home, 'engine')), ['webgpu']);
  };
  await refused(npm('fails'), /npm could not fetch webgpu .*No matching version found/);
  await refused(npm('isOffline'), /npm could not fetch webgpu .*ENOTFOUND/);
  await refused(npm('hasNoBinary'), /has no binary for .*; use wasm/);
  await refused(join(home, 'nowhere', 'npm'), /npm is not found/);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 1500);
  await assert.rejects(installWebgpu({ npm: npm('hangs'), say, signal: stop.signal }), Cancelled);
  assert.ok(!existsSync(`${webgpuFolder()}.partial`));
});

test('on Windows the setup of TensorFlow names webgpu and wasm instead', async () => {
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'win32' });
  try {
    await assert.rejects(
      installEngine({ say }),
      /no usable C library.*install --webgpu\), wasm, or Sparring under WSL/,
    );
  } finally {
    Object.defineProperty(process, 'platform', { value: platform });
  }
});
