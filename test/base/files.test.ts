import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  appendLine,
  isFile,
  makeFolder,
  openLines,
  readJson,
  readStart,
  readText,
  sha256,
  sha256File,
  tail,
  writeAtomic,
} from '../../src/base/files';
import { Problem } from '../../src/base/problem';

function folder(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'sparring-files-'));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Waits until it holds; the runner's own limit ends it otherwise. */
async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!holds()) {
    assert.ok(Date.now() < end, 'waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('writeAtomic replaces a file whole, makes its folder and leaves nothing behind', (context) => {
  const top = folder(context);
  const file = join(top, 'a', 'b.json');
  writeAtomic(file, 'one');
  writeAtomic(file, new Uint8Array([116, 119, 111]));
  assert.equal(readFileSync(file, 'utf8'), 'two');
  assert.deepEqual(readdirSync(join(top, 'a')), ['b.json']);
});

test('a write that fails leaves the old file and no temporary one', (context) => {
  const top = folder(context);
  makeFolder(join(top, 'taken', 'inner'));
  assert.throws(
    () => writeAtomic(join(top, 'taken'), 'x'),
    (error) => error instanceof Error,
  );
  assert.deepEqual(readdirSync(top), ['taken']);
});

test('what cannot be read is a problem that names the file and the reason', (context) => {
  const top = folder(context);
  const missing = join(top, 'no.json');
  const isProblem = (code: string, words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof Problem);
    assert.equal(error.data.code, code);
    assert.match(error.message, words);
    return true;
  };
  assert.throws(() => readText(missing), isProblem('fileMissing', /no\.json: there is no such file/));
  assert.throws(() => readText(top), isProblem('fileAccess', /it is a folder/));
  writeFileSync(missing, '{"a": }');
  assert.throws(() => readJson(missing), isProblem('badJson', /no\.json is not valid JSON/));
  assert.throws(() => readStart(join(top, 'none'), 4), isProblem('fileMissing', /no such file/));
});

test('readStart gives at most so many bytes', (context) => {
  const file = join(folder(context), 'a');
  writeFileSync(file, 'abcdef');
  assert.equal(new TextDecoder().decode(readStart(file, 4)), 'abcd');
  assert.equal(readStart(file, 100).length, 6);
});

test('hashes of text, bytes and files agree with the standard', async (context) => {
  // the test vector of FIPS 180 for "abc"
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.equal(sha256('abc'), abc);
  assert.equal(sha256(new Uint8Array([97, 98, 99])), abc);
  const file = join(folder(context), 'a');
  writeFileSync(file, 'abc');
  assert.equal(await sha256File(file), abc);
  await assert.rejects(sha256File(`${file}x`), (error) => error instanceof Problem);
});

test('a new folder is only made once', (context) => {
  const top = join(folder(context), 'x', 'y');
  assert.equal(makeFolder(top, { mustBeNew: true }), true);
  assert.equal(makeFolder(top, { mustBeNew: true }), false);
  assert.equal(makeFolder(top), true);
});

test('no line is glued to the torn one that a killed writer left', (context) => {
  const file = join(folder(context), 'lines');
  appendLine(file, 'one', { sync: true });
  appendFileSync(file, 'tor');
  const lines = openLines(file);
  lines.append('two');
  lines.close();
  lines.close();
  assert.deepEqual(readFileSync(file, 'utf8').split('\n'), ['one', 'tor', 'two', '']);
});

test('tail gives what is there and what comes, in order, with torn characters put together', async (context) => {
  const top = folder(context);
  const file = join(top, 'later', 'a.jsonl');
  const seen: string[] = [];
  const follower = tail(file, { onLines: (lines) => seen.push(...lines), poll: 20 });
  context.after(() => follower.close());
  makeFolder(join(top, 'later'));
  writeFileSync(file, 'eins\nzw');
  await until(() => seen.length === 1);
  const bytes = Buffer.from('ei \u00fc\u{1f94a}\r\n\ndrei\n');
  for (const byte of bytes) appendFileSync(file, new Uint8Array([byte]));
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['eins', 'zwei \u00fc\u{1f94a}', 'drei']);
});

test('tail starts again when the file is cut short or replaced', async (context) => {
  const top = folder(context);
  const file = join(top, 'a');
  writeFileSync(file, 'one\ntwo\n');
  let seen: string[] = [];
  let resets = 0;
  const follower = tail(file, {
    onLines: (lines) => seen.push(...lines),
    onReset: () => {
      resets++;
      seen = [];
    },
    poll: 20,
  });
  context.after(() => follower.close());
  await until(() => seen.length === 2);
  truncateSync(file, 4);
  await until(() => resets === 1 && seen.length === 1);
  assert.deepEqual(seen, ['one']);
  writeFileSync(join(top, 'b'), 'new\nfile\nlonger than before\n');
  renameSync(join(top, 'b'), file);
  await until(() => resets === 2 && seen.length === 3);
  assert.deepEqual(seen, ['new', 'file', 'longer than before']);
});

test('tail says nothing more once closed, and survives a file that goes away', async (context) => {
  const file = join(folder(context), 'a');
  writeFileSync(file, 'one\n');
  const seen: string[] = [];
  const follower = tail(file, { onLines: (lines) => seen.push(...lines), poll: 10 });
  await until(() => seen.length === 1);
  rmSync(file);
  await new Promise((resolve) => setTimeout(resolve, 50));
  writeFileSync(file, 'one\ntwo\n');
  await until(() => seen.at(-1) === 'two');
  follower.close();
  appendFileSync(file, 'three\n');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(seen.at(-1), 'two');
  assert.ok(isFile(file) && existsSync(file));
});
