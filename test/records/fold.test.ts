import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyView, fold, foldAll } from '../../src/records/fold';
import type { RunRecord } from '../../src/records/record';
import type { RunView } from '../../src/records/runView';
import * as made from './madeRecords';

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
const one = (records: readonly RunRecord[]): RunView =>
  records.reduce((view, it) => freeze(fold(view, it)), freeze(emptyView));

test('one by one, all at once and in pieces give the same view, and no view is ever changed', () => {
  const records = made.wholeRun();
  const whole = foldAll(emptyView, records);
  assert.deepEqual(one(records), whole);
  const half = freeze(foldAll(emptyView, records.slice(0, 20)));
  assert.deepEqual(foldAll(half, records.slice(20)), whole);
  assert.deepEqual(emptyView.history, []);
});

test('a whole run ends finished, with rates, curve, samples and speed', () => {
  const view = one(made.wholeRun());
  assert.equal(view.status, 'finished');
  assert.equal(view.step, 10);
  assert.equal(view.steps, 10);
  assert.equal(view.seconds, 93);
  assert.equal(view.activity, undefined);
  assert.equal(view.secondsPerStep, 1.5);
  assert.equal(view.rates.before.attackSuccess['embedding']?.['0.3']?.value, 0.8);
  assert.equal(view.rates.after.leak?.value, 0);
  assert.deepEqual(
    view.attackSuccess.map((it) => [it.step, it.rate.value]),
    [
      [0, 0.8],
      [5, 0.4],
      [10, 0.1],
    ],
  );
  assert.equal(view.samples.length, 20);
  assert.equal(view.adapterSha256, 'f'.repeat(64));
});

test('a killed run resumes: what lay beyond the checkpoint is dropped and done again', () => {
  const straight = [made.started(), ...[1, 2, 3, 4].map((n) => made.step(n))];
  const killed = one([...straight, made.attack('during', 4, 0.5), made.sample('during', 4, 1, true)]);
  const view = one([...straight, made.attack('during', 4, 0.5), made.sample('during', 4, 1, true), made.resumed(2)]);
  assert.equal(killed.step, 4);
  assert.equal(view.status, 'running');
  assert.equal(view.step, 2);
  assert.equal(view.engine, 'native');
  assert.equal(view.threads, 4);
  assert.deepEqual(
    view.history.map((it) => it.step),
    [1, 2],
  );
  assert.equal(view.attackSuccess.length, 0);
  assert.equal(view.samples.length, 0);
  const again = [3, 4].reduce((it, n) => fold(it, made.step(n, 9)), view);
  assert.deepEqual(
    again.history.map((it) => it.losses.total),
    [1, 1 / 2, 9, 9],
  );
});

test('what is measured again replaces what was measured, wherever views come from', () => {
  const before = [
    made.started(),
    made.sample('before', 0, 1, true),
    made.sample('before', 0, 2, true),
    made.rate('before', 0, 1),
  ];
  const again = [
    made.resumed(0),
    made.sample('before', 0, 1, false),
    made.sample('before', 0, 2, true),
    made.rate('before', 0, 0.5),
    made.attack('before', 0, 0.3),
    made.attack('before', 0, 0.2),
  ];
  const view = one([...before, ...again]);
  assert.deepEqual(
    view.samples.map((it) => it.counted),
    [false, true],
  );
  assert.equal(view.rates.before.leak?.value, 0.5);
  assert.equal(view.attackSuccess.length, 1);
  assert.equal(view.attackSuccess[0]?.rate.value, 0.2);
  // a view that came through a message has no index of its samples
  const received = JSON.parse(JSON.stringify(one(before))) as RunView;
  assert.deepEqual(foldAll(received, again).samples, view.samples);
});

test('two views may go on from the same one', () => {
  const root = one([made.started(), made.sample('before', 0, 1, true)]);
  const left = foldAll(root, [made.sample('before', 0, 2, true), made.sample('before', 0, 3, true)]);
  const right = foldAll(root, [made.sample('before', 0, 3, false), made.sample('before', 0, 3, true)]);
  const leftAgain = foldAll(left, [made.sample('before', 0, 3, false)]);
  assert.deepEqual(
    leftAgain.samples.map((it) => [it.example, it.counted]),
    [
      ['1', true],
      ['2', true],
      ['3', false],
    ],
  );
  assert.deepEqual(
    right.samples.map((it) => [it.example, it.counted]),
    [
      ['1', true],
      ['3', true],
    ],
  );
});

test('rates after training do not outlive a resume in the middle, those at the end do', () => {
  const end = [made.started(2), made.step(1), made.step(2), made.rate('after', 2, 0.4)];
  assert.equal(one([...end, made.resumed(1)]).rates.after.leak, undefined);
  assert.equal(one([...end, made.resumed(2)]).rates.after.leak?.value, 0.4);
});

test('problems are listed once; a failure is forgotten by the session that resumes, a warning is not', () => {
  const warned = made.problem('problem', 'slow', 'warning');
  const view = one([made.started(), warned, warned, made.problem('failed', 'memory')]);
  assert.equal(view.status, 'failed');
  assert.deepEqual(
    view.problems.map((it) => it.message),
    ['slow', 'memory'],
  );
  assert.deepEqual(
    fold(view, made.resumed(0)).problems.map((it) => it.message),
    ['slow'],
  );
});

test('a stopped run says so, and what goes on is said while it goes on', () => {
  const progress: RunRecord = {
    v: 1,
    time: 1,
    kind: 'progress',
    phase: 'before',
    step: 0,
    metric: 'leak',
    done: 3,
    total: 9,
  };
  assert.deepEqual(one([made.started(), progress]).activity, { phase: 'before', metric: 'leak', done: 3, total: 9 });
  assert.deepEqual(one([made.started(), progress, made.step(1)]).activity, { phase: 'training' });
  const stopped = one([made.started(), made.step(1), made.stopped(1)]);
  assert.equal(stopped.status, 'stopped');
  assert.equal(stopped.activity, undefined);
});

test('a view is plain data for messages, copies and comparisons', () => {
  const view = foldAll(emptyView, made.wholeRun());
  assert.deepEqual(structuredClone(view), view);
  assert.deepEqual({ ...view }, view);
  assert.equal((JSON.parse(JSON.stringify(view)) as RunView).history.length, 10);
  const { history } = view;
  assert.ok(Array.isArray(history) && history === view.history);
});

test('100,000 records fold, all at once and one by one', () => {
  const records = [made.started(60_000), ...Array.from({ length: 60_000 }, (_, i) => made.step(i + 1))];
  for (let i = 0; i < 40_000; i++) records.push(made.sample('after', 60_000, i, true));
  const view = foldAll(emptyView, records);
  assert.equal(view.history.length, 60_000);
  assert.equal(view.samples.length, 40_000);
  let single = emptyView;
  for (const record of records) single = fold(single, record);
  assert.deepEqual(single.samples.at(-1), view.samples.at(-1));
  assert.equal(single.history.length, 60_000);
});
