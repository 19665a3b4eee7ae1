import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { Cancelled, Problem } from '../../src/base/problem';
import { installedLibraries, LIBRARY_NAMES } from '../../src/tensor/backend/tensorFlowLibraries';
import { changedLibraries, installEngine, removeEngine } from '../../src/worker/engineInstall';
import { temporaryFolder } from '../temporaryFolder';

// A script that plays Python and its pip: nothing is downloaded in tests.
const skip = process.platform === 'win32';
let home: string;
beforeEach(() => {
  home = temporaryFolder();
  process.env['SPARRING_HOME'] = home;
});

interface Play {
  /** Folder of an environment's package tensorflow. */
  tensorflow?: string;
  pip?: 'works' | 'fails' | 'isMissing' | 'hangs';
}

function python({ tensorflow = '', pip = 'works' }: Play = {}): string {
  const path = join(temporaryFolder(), 'python3');
  writeFileSync(
    path,
    `#!${process.execPath}
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
if (args[0] === '-m') {
  const folder = args[args.indexOf('--dest') + 1];
  const pip = ${JSON.stringify(pip)};
  if (pip === 'isMissing') { console.error('/usr/bin/python3: No module named pip'); process.exit(1); }
  if (pip === 'fails') { console.error('ERROR: No matching distribution found for ' + args.at(-1)); process.exit(1); }
  if (pip === 'hangs') setInterval(() => {}, 1000);
  else { console.log('Saved ' + args.at(-1)); writeFileSync(join(folder, 'tensorflow-x.whl'), args.at(-1)); }
} else if (/find_spec/.test(args[1])) {
  if (${JSON.stringify(tensorflow)}) console.log(${JSON.stringify(`${tensorflow}\n2.18.0`)});
} else if (/zipfile/.test(args[1])) {
  const [, , , folder, ...names] = args;
  for (const name of names) writeFileSync(join(folder, name), 'library ' + name);
}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

const install = async (play: Play, options: { tensorflow?: string; signal?: AbortSignal } = {}) => {
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
  assert.deepEqual(readdirSync(join(engine(), 'libraries')).sort(), [...LIBRARY_NAMES].sort());
  assert.deepEqual(
    installedLibraries()?.libraries,
    LIBRARY_NAMES.map((name) => join(engine(), 'libraries', name)),
  );
  assert.deepEqual(await changedLibraries(), []);
  writeFileSync(join(engine(), 'libraries', LIBRARY_NAMES[1] ?? ''), 'other');
  assert.deepEqual(await changedLibraries(), [LIBRARY_NAMES[1]]);
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
