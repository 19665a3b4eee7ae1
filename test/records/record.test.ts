import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecord, RECORD_VERSION } from '../../src/records/record';
import * as made from './madeRecords';

test('every record that we write is read back as it is', () => {
  for (const record of [
    ...made.wholeRun(),
    made.resumed(1),
    made.stopped(1),
    made.problem('problem', 'x'),
    made.problem('failed', 'y'),
  ])
    assert.deepEqual(parseRecord(JSON.stringify(record)), record);
});

test('what is no record of ours is skipped, never an error', () => {
  const line = JSON.stringify(made.step(1));
  const future = JSON.stringify({ v: RECORD_VERSION + 1, time: 1, kind: 'dreamt', of: 'sheep' });
  const wrong = [
    '',
    line.slice(0, -5),
    'null',
    '[]',
    '3',
    future,
    JSON.stringify({ v: RECORD_VERSION, time: 1, kind: 'step' }),
    JSON.stringify({ v: RECORD_VERSION, time: 1, kind: 'constructor' }),
    JSON.stringify({ v: RECORD_VERSION, time: 1, kind: 'rate', phase: 'after', step: 1, metric: 'leak', rate: 0.5 }),
    JSON.stringify({ v: 0, time: 1, kind: 'stopped', step: 1 }),
    JSON.stringify({ time: 1, kind: 'stopped', step: 1 }),
  ];
  for (const it of wrong) assert.equal(parseRecord(it), undefined, it);
});

test('a known kind of a later version is still read, with whatever it has besides', () => {
  const later = { ...made.stopped(3), v: RECORD_VERSION + 1, extra: true };
  assert.deepEqual(parseRecord(JSON.stringify(later)), later);
});
