import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Phase } from '../../src/records/record';
import type { SampleView } from '../../src/records/runView';
import { isChanged, pairSamples } from '../../webview/pairSamples';

const sample = (
  phase: Phase,
  step: number,
  example: string,
  counted: boolean,
  metric = 'embedding@0.3',
): SampleView => ({
  phase,
  step,
  metric,
  text: `${phase}-${step}-${example}`,
  example,
  counted,
});

test('the same example before and after makes a pair; other metrics stay out', () => {
  const pairs = pairSamples(
    [
      sample('before', 0, 'a', true),
      sample('before', 0, 'b', true),
      sample('before', 0, 'a', true, 'leak'),
      sample('after', 60, 'b', true),
      sample('after', 60, 'a', false),
    ],
    'embedding@0.3',
  );
  assert.deepEqual(
    pairs.map((it) => [it.example, it.before?.step, it.now?.step, isChanged(it)]),
    [
      ['a', 0, 60, true],
      ['b', 0, 60, false],
    ],
  );
});

test('while training goes on the last measured step stands for after, and gives way to it', () => {
  const during = [sample('before', 0, 'a', true), sample('during', 10, 'a', true), sample('during', 20, 'a', false)];
  assert.equal(pairSamples(during, 'embedding@0.3')[0]?.now?.step, 20);
  const done = [...during, sample('after', 30, 'a', true)];
  assert.equal(pairSamples(done, 'embedding@0.3')[0]?.now?.step, 30);
});

test('an example that was measured once is a pair with one side', () => {
  const [only] = pairSamples([sample('before', 0, 'a', true)], 'embedding@0.3');
  assert.equal(only?.now, undefined);
  assert.equal(only && isChanged(only), false);
});
