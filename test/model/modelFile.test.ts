import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { modelFile } from '../../src/model/modelFile';
import { temporaryFolder } from '../temporaryFolder';

test('a file of the folder is found, an absent one is undefined', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'config.json'), '{}');
  assert.equal(modelFile(folder, 'config.json'), join(folder, 'config.json'));
  assert.equal(modelFile(folder, 'tokenizer.json'), undefined);
});

test('names and links that leave the folder are refused, and so is what is no file', () => {
  const home = temporaryFolder();
  const folder = join(home, 'model');
  mkdirSync(join(folder, 'inner'), { recursive: true });
  writeFileSync(join(home, 'secret.json'), '{}');
  writeFileSync(join(home, 'model-secret'), '{}');
  for (const name of ['../secret.json', '..', '.', '', 'inner/x', 'a\\b', '/etc/passwd', 'a\0b'])
    assert.throws(() => modelFile(folder, name), /no plain name/);
  symlinkSync(join(home, 'secret.json'), join(folder, 'config.json'));
  assert.throws(() => modelFile(folder, 'config.json'), /link that leads out of the model folder/);
  symlinkSync('../model-secret', join(folder, 'tokenizer.json'));
  assert.throws(() => modelFile(folder, 'tokenizer.json'), /link that leads out/);
  symlinkSync('.', join(folder, 'self'));
  assert.throws(() => modelFile(folder, 'self'), /leads out|no plain file/);
  assert.throws(() => modelFile(folder, 'inner'), /no plain file/);
  if (process.platform !== 'win32') {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    assert.throws(() => modelFile(folder, 'pipe'), /no plain file/);
  }
  writeFileSync(join(folder, 'real.json'), '{}');
  symlinkSync('real.json', join(folder, 'alias.json'));
  assert.equal(modelFile(folder, 'alias.json'), join(folder, 'alias.json'));
});

test("the Hugging Face cache's links into the same model's blobs are followed, others not", () => {
  const cache = temporaryFolder();
  const [own, other] = ['models--a--b', 'models--c--d'].map((name) => join(cache, name)) as [string, string];
  const snapshot = join(own, 'snapshots', 'abc');
  for (const folder of [snapshot, join(own, 'blobs'), join(other, 'blobs')]) mkdirSync(folder, { recursive: true });
  for (const home of [own, other]) writeFileSync(join(home, 'blobs', '1'), '{}');
  symlinkSync('../../blobs/1', join(snapshot, 'config.json'));
  assert.equal(modelFile(snapshot, 'config.json'), join(snapshot, 'config.json'));
  symlinkSync(join(other, 'blobs', '1'), join(snapshot, 'tokenizer.json'));
  assert.throws(() => modelFile(snapshot, 'tokenizer.json'), /leads out/);
});
