import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Problem } from '../../src/base/problem';
import {
  createRunFolder,
  followView,
  listRuns,
  newRunId,
  readRecords,
  readRunFolder,
  readTextOf,
  readTexts,
  runFile,
  runsFolder,
} from '../../src/records/runFolder';
import type { RunView } from '../../src/records/runView';
import * as made from './madeRecords';

function folder(context: TestContext): string {
  const it = mkdtempSync(join(tmpdir(), 'sparring-runs-'));
  context.after(() => rmSync(it, { recursive: true, force: true }));
  return it;
}
const lines = (records: readonly unknown[]): string => records.map((it) => `${JSON.stringify(it)}\n`).join('');

test('run ids sort by time and name their seed', () => {
  assert.equal(newRunId(Date.UTC(2026, 10, 24, 18, 30, 5), 7), '20261124-183005-seed7');
});

test('two runs of the same second get folders of their own', (context) => {
  const runs = runsFolder(join(folder(context), 'a.sparring.yaml'), 'a');
  const now = Date.UTC(2026, 0, 2);
  const ids = [0, 1, 2].map(() => createRunFolder(runs, now, 1).runId);
  assert.deepEqual(ids, ['20260102-000000-seed1', '20260102-000000-seed1-2', '20260102-000000-seed1-3']);
});

test('runs are listed newest first, of one experiment or of all; other folders are not', (context) => {
  const top = folder(context);
  for (const [experiment, id] of [
    ['a', '20260101-000000-seed1'],
    ['a', '20260101-000000-seed1-2'],
    ['b', '20260301-000000-seed1'],
  ] as const) {
    mkdirSync(join(top, 'runs', experiment, id), { recursive: true });
    writeFileSync(join(top, 'runs', experiment, id, 'records.jsonl'), '');
  }
  mkdirSync(join(top, 'runs', 'a', 'empty'));
  writeFileSync(join(top, 'runs', 'stray.txt'), '');
  assert.deepEqual(
    listRuns(top).map((it) => it.runId),
    ['20260301-000000-seed1', '20260101-000000-seed1-2', '20260101-000000-seed1'],
  );
  assert.deepEqual(
    listRuns(top, 'b').map((it) => it.experiment),
    ['b'],
  );
  assert.deepEqual(listRuns(join(top, 'nowhere')), []);
});

test('a run folder is read whole; torn and foreign lines are left out', (context) => {
  const it = folder(context);
  const torn = JSON.stringify(made.step(11)).slice(0, 40);
  writeFileSync(runFile(it, 'records'), `${lines(made.wholeRun())}{"v":1,"time":1,"kind":"later"}\n${torn}`);
  writeFileSync(runFile(it, 'config'), '{"name":"first"}');
  const { view, config, summary } = readRunFolder(it);
  assert.equal(view.status, 'finished');
  assert.equal(readRecords(it).length, made.wholeRun().length);
  assert.deepEqual(config, { name: 'first' });
  assert.equal(summary, undefined);
});

test('an empty folder is a run that waits; a broken config.json is a problem that names it', (context) => {
  const it = folder(context);
  assert.equal(readRunFolder(it).view.status, 'waiting');
  writeFileSync(runFile(it, 'config'), '{');
  assert.throws(
    () => readRunFolder(it),
    (error) => error instanceof Problem && /config\.json is not valid JSON/.test(error.message),
  );
});

test('a view follows its run from before it begins', async (context) => {
  const it = join(folder(context), 'run');
  const views: RunView[] = [];
  let done = () => {};
  const finished = new Promise<void>((resolve) => {
    done = resolve;
  });
  const follower = followView(it, (view) => {
    views.push(view);
    if (view.status === 'finished') done();
  });
  context.after(() => follower.close());
  mkdirSync(it);
  const records = made.wholeRun();
  appendFileSync(runFile(it, 'records'), lines(records.slice(0, 5)));
  appendFileSync(runFile(it, 'records'), lines(records.slice(5)));
  await finished;
  assert.deepEqual(views.at(-1), readRunFolder(it).view);
});

test('texts are found by id, the last of each, and only whole ones', async (context) => {
  const it = folder(context);
  assert.deepEqual(await readTexts(it, ['a']), []);
  const text = (id: string, output: string) => ({ id, prompt: 'p', output });
  writeFileSync(
    runFile(it, 'texts'),
    `${lines([text('a', 'old'), text('b', 'x'), text('a', '<b>new</b>'), { id: 'c' }])}{"id":"d","pro`,
  );
  assert.deepEqual(
    (await readTexts(it, ['b', 'a', 'c', 'd'])).map((found) => found.output),
    ['x', '<b>new</b>'],
  );
  assert.equal((await readTextOf(it, 'a'))?.output, '<b>new</b>');
  assert.equal(await readTextOf(it, 'zzz'), undefined);
});
