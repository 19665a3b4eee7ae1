import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { Cancelled, Problem } from '../../src/base/problem';
import { installedLibraries, LIBRARY_NAMES } from '../../src/tensor/backend/native/tensorFlowLibraries';
import { changedLibraries, cudaRequirements, installEngine, removeEngine } from '../../src/worker/engineInstall';
import { temporaryFolder } from '../temporaryFolder';

// A script that plays Python's pip: nothing is downloaded in tests. What reads a wheel is the real Python, where there is one.
const skip = process.platform === 'win32' || spawnSync('python3', ['--version']).status !== 0;
let home: string;
beforeEach(() => {
  home = temporaryFolder();
  process.env['SPARRING_HOME'] = home;
});

/** Files of a wheel by their paths in it. */
type Wheel = { readonly [path: string]: string };

interface Play {
  /** Folder of an environment's package tensorflow. */
  tensorflow?: string;
  pip?: 'works' | 'fails' | 'isMissing' | 'hangs';
  /** What pip has, by a requirement's name; anything else is a wheel of TensorFlow without CUDA. */
  wheels?: { readonly [name: string]: Wheel };
}

const TENSORFLOW: Wheel = {
  ...Object.fromEntries(LIBRARY_NAMES.map((name) => [`tensorflow/${name}`, `library ${name}`])),
  'tensorflow/__init__.py': 'print()',
  'tensorflow-x.dist-info/METADATA': 'Name: tensorflow\nRequires-Dist: numpy>=1.26.0\n',
};

function python({ tensorflow = '', pip = 'works', wheels = {} }: Play = {}): string {
  const path = join(temporaryFolder(), 'python3');
  const wheel =
    'import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as z:\n for n, t in json.loads(sys.argv[2]).items(): z.writestr(n, t)';
  writeFileSync(
    path,
    `#!${process.execPath}
const { join } = require('node:path');
const { spawnSync } = require('node:child_process');
const args = process.argv.slice(2);
const python = (args) => process.exit(spawnSync('python3', args, { stdio: 'inherit' }).status);
if (args[0] === '-m') {
  const requirement = args.at(-1);
  const pip = ${JSON.stringify(pip)};
  if (pip === 'isMissing') { console.error('/usr/bin/python3: No module named pip'); process.exit(1); }
  if (pip === 'fails') { console.error('ERROR: No matching distribution found for ' + requirement); process.exit(1); }
  if (pip === 'hangs') setInterval(() => {}, 1000);
  else {
    console.log('Saved ' + requirement);
    const files = ${JSON.stringify(wheels)}[requirement.split(/[<=>]/)[0]] ?? ${JSON.stringify(TENSORFLOW)};
    python(['-c', ${JSON.stringify(wheel)}, join(args[args.indexOf('--dest') + 1], 'some.whl'), JSON.stringify(files)]);
  }
} else if (/find_spec/.test(args[1])) {
  if (${JSON.stringify(tensorflow)}) console.log(${JSON.stringify(`${tensorflow}\n2.18.0`)});
} else python(args);
`,
  );
  chmodSync(path, 0o755);
  return path;
}

const install = async (play: Play, options: { tensorflow?: string; cuda?: boolean; signal?: AbortSignal } = {}) => {
  const said: string[] = [];
  const manifest = await installEngine({ python: python(play), ...options, say: (line) => said.push(line) });
  return { manifest, said };
};
const engine = () => join(home, 'engine');

test('the two libraries are kept, with their checksums, and found again; removal leaves nothing', {
  skip,
}, async () => {
  assert.equal(installedLibraries(), undefined);
  const { manifest, said } = await install({}, { tensorflow: '2.20.0' });
  assert.equal(manifest.version, '2.20.0');
  assert.ok(
    said.some((line) => /Saved tensorflow(-cpu)?==2.20.0/.test(line)),
    said.join('\n'),
  );
  assert.deepEqual(readdirSync(join(engine(), 'libraries', 'tensorflow')).sort(), [...LIBRARY_NAMES].sort());
  assert.deepEqual(
    installedLibraries()?.libraries,
    LIBRARY_NAMES.map((name) => join(engine(), 'libraries', 'tensorflow', name)),
  );
  assert.deepEqual(await changedLibraries(), []);
  const second = `tensorflow/${LIBRARY_NAMES[1]}`;
  writeFileSync(join(engine(), 'libraries', second), 'other');
  assert.deepEqual(await changedLibraries(), [second]);
  assert.equal(removeEngine(), true);
  assert.deepEqual(readdirSync(engine()), []);
  assert.equal(removeEngine(), false);
});

test('an environment that has TensorFlow is used where it is, and is not removed', { skip }, async () => {
  const place = join(temporaryFolder(), 'site-packages', 'tensorflow');
  mkdirSync(place, { recursive: true });
  for (const name of LIBRARY_NAMES) writeFileSync(join(place, name), '');
  const { manifest, said } = await install({ tensorflow: place, pip: 'fails' });
  assert.deepEqual(manifest, { folder: place, version: '2.18.0' });
  assert.match(said.join(), /is used where it is/);
  assert.equal(installedLibraries()?.source, place);
  removeEngine();
  assert.ok(existsSync(join(place, LIBRARY_NAMES[0] ?? '')));
});

test('what is missing is said, and what stood there before still stands', { skip }, async () => {
  await install({});
  const before = readFileSync(join(engine(), 'tensorflow.json'), 'utf8');
  const refused = async (play: Play, says: RegExp) => {
    await assert.rejects(install(play), (error) => error instanceof Problem && says.test(error.message));
    assert.equal(readFileSync(join(engine(), 'tensorflow.json'), 'utf8'), before);
    assert.equal(installedLibraries()?.libraries.length, 2);
    assert.ok(!existsSync(join(engine(), 'partial')));
  };
  await refused({ pip: 'fails' }, /pip could not fetch tensorflow.*No matching distribution found/);
  await refused({ pip: 'isMissing' }, /has no pip: install it, or name another Python/);
  const say = () => undefined;
  await assert.rejects(installEngine({ python: '/nowhere/python', say }), /\/nowhere\/python is no Python 3.9/);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 1500);
  await assert.rejects(install({ pip: 'hangs' }, { signal: stop.signal }), Cancelled);
  assert.ok(!existsSync(join(engine(), 'partial')));
});

const CUDA_METADATA = `Name: tensorflow
Requires-Dist: numpy>=1.26.0
Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"
Requires-Dist: nvidia-cuda-nvcc-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"
Requires-Dist: nvidia-cuda-runtime-cu12 (==12.2.140) ; extra == 'and-cuda'
`;

test('what CUDA asks for is read from the wheel, as old and new wheels write it, without the compiler', () => {
  assert.deepEqual(cudaRequirements(CUDA_METADATA), [
    'nvidia-cublas-cu12<13.0,>=12.5.3.2',
    'nvidia-cudnn-cu12<10.0,>=9.3.0.75',
    'nvidia-cuda-runtime-cu12==12.2.140',
  ]);
  assert.deepEqual(cudaRequirements('Requires-Dist: numpy>=1.26.0\n'), []);
});

const canCuda = process.platform === 'linux' && process.arch === 'x64';

test("with CUDA, NVIDIA's libraries stand beside TensorFlow's, found in the order in which they are loaded", {
  skip: skip || !canCuda,
}, async () => {
  const wheels = {
    tensorflow: { ...TENSORFLOW, 'tensorflow-x.dist-info/METADATA': CUDA_METADATA },
    'nvidia-cublas-cu12': {
      'nvidia/cublas/lib/libcublas.so.12': 'cublas',
      'nvidia/cublas/lib/libcublasLt.so.12': 'cublasLt',
      'nvidia/cublas/lib/libnvblas.so.12': 'nvblas',
      'nvidia/cublas/include/cublas.h': 'header',
      'nvidia/../../cublas/lib/libaway.so': 'not taken',
    },
    'nvidia-cudnn-cu12': { 'nvidia/cudnn/lib/libcudnn.so.9': 'cudnn', 'nvidia/cudnn/lib/libcudnn_ops.so.9': 'ops' },
    'nvidia-cuda-runtime-cu12': { 'nvidia/cuda_runtime/lib/libcudart.so.12': 'cudart' },
  };
  const { manifest, said } = await install({ wheels }, { cuda: true });
  assert.ok(said.some((line) => line.startsWith('Saved tensorflow==')));
  assert.ok(!said.some((line) => line.includes('nvcc')), said.join('\n'));
  const libraries = join(engine(), 'libraries');
  const paths = ['cuda_runtime/lib/libcudart.so.12', 'cublas/lib/libcublasLt.so.12', 'cublas/lib/libcublas.so.12'];
  assert.deepEqual(
    installedLibraries()?.cuda,
    [...paths, 'cudnn/lib/libcudnn.so.9'].map((path) => join(libraries, 'nvidia', path)),
  );
  assert.equal(Object.keys(manifest.sha256 ?? {}).length, LIBRARY_NAMES.length + 6);
  assert.deepEqual(await changedLibraries(), []);
  rmSync(join(libraries, 'nvidia', 'cudnn', 'lib', 'libcudnn_ops.so.9'));
  assert.deepEqual(await changedLibraries(), ['nvidia/cudnn/lib/libcudnn_ops.so.9']);
  removeEngine();
  assert.deepEqual(readdirSync(engine()), []);
});

test('CUDA that cannot be had is said before anything is replaced', { skip }, async () => {
  await install({});
  const before = readFileSync(join(engine(), 'tensorflow.json'), 'utf8');
  const says = canCuda ? /names no wheels of CUDA: take 2\.15\.0 or later/ : /leave out --cuda/;
  await assert.rejects(install({}, { cuda: true }), (error) => error instanceof Problem && says.test(error.message));
  assert.equal(readFileSync(join(engine(), 'tensorflow.json'), 'utf8'), before);
  assert.deepEqual(installedLibraries()?.cuda, []);
});
