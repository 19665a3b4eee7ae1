import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimeLimit, withinTime } from '../../src/model/timeLimit';

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
