import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapWithinTime, TimeLimit, withinTime } from '../../src/model/timeLimit';

test('what is endless is ended, loops and regular expressions, and what catches everything', () => {
  for (const run of [
    () => {
      for (;;);
    },
    () => /^(a+)+$/u.test(`${'a'.repeat(60)}b`),
    () => {
      for (;;)
        try {
          for (;;);
        } catch {}
    },
    // Within another one it is ended by the outer.
    () =>
      withinTime(60_000, () => {
        for (;;);
      }),
  ])
    assert.throws(() => withinTime(50, run), TimeLimit);
});

test('results and errors come through, and what comes after an end works', () => {
  assert.equal(
    withinTime(1000, () => 5),
    5,
  );
  assert.equal(
    withinTime(1000, () => undefined),
    undefined,
  );
  assert.equal(
    withinTime(1000, () => withinTime(1000, () => 'inside')),
    'inside',
  );
  assert.throws(
    () =>
      withinTime(1000, () => {
        throw new TypeError('mine');
      }),
    TypeError,
  );
});

test('what was only halted is run once more', () => {
  let calls = 0;
  const value = withinTime(50, () => {
    if (++calls === 1) for (;;);
    return 'second';
  });
  assert.equal(value, 'second');
});

test('many short calls run under one watchdog; one that is endless is found and ended by its own time', () => {
  const rows = Array.from({ length: 200 }, (_, i) => i);
  assert.deepEqual(
    mapWithinTime(rows, (row) => withinTime(50, () => 2 * row)),
    rows.map((row) => 2 * row),
  );
  const seen: number[] = [];
  assert.throws(
    () =>
      mapWithinTime(rows, (row) =>
        withinTime(50, () => {
          seen.push(row);
          for (; row === 70; );
          return row;
        }),
      ),
    TimeLimit,
  );
  assert.equal(seen.at(-1), 70);
});
