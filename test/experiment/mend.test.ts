import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fix } from '../../src/base/problem';
import { mend } from '../../src/experiment/mend';
import type { Path } from '../../src/experiment/parse';
import { resolved, SOUND } from './madeExperiment';

const mended = (text: string, at: Path, fix: Fix, file = '/x/a.sparring.yaml'): string | undefined => {
  const change = mend(text, file, at, fix);
  return change && text.slice(0, change.start) + change.text + text.slice(change.end);
};
const set = (value: unknown): Fix => ({ kind: 'set', title: '', value });
const remove: Fix = { kind: 'remove', title: '' };

test('values and keys are replaced where they stand; comments stay', () => {
  assert.equal(mended('e: [3, 1] # radii\n', ['e'], set([1, 3])), 'e: [1, 3] # radii\n');
  assert.equal(
    mended('a:\n  eps: 1 # x\n', ['a', 'eps'], { kind: 'rename', title: '', name: 'epsilon' }),
    'a:\n  epsilon: 1 # x\n',
  );
  assert.equal(mended('e: "x"\n', ['e'], set('wasm')), 'e: wasm\n');
  assert.equal(mended('a:\nb: 1\n', ['a'], set(1)), 'a: 1\nb: 1\n');
});

test('what is not written yet is added, with the groups around it', () => {
  assert.equal(mended('# top\nmodel: x\n', ['training', 'rows'], set(1)), '# top\nmodel: x\ntraining: { rows: 1 }\n');
  assert.equal(mended('a:\n  b: 1\n', ['a', 'c'], set(2)), 'a:\n  c: 2\n  b: 1\n');
  assert.equal(mended('a: { b: 1 }\n', ['a', 'c'], set(2)), 'a: { c: 2, b: 1 }\n');
  assert.equal(
    mended('method: cat # c\n', ['method', 'utilityWeight'], set(0)),
    'method: { name: cat, utilityWeight: 0 } # c\n',
  );
});

test('a removed setting takes its line, or its comma', () => {
  assert.equal(mended('a:\n  x: 1 # gone too\n  y: 2\nb: 3\n', ['a', 'x'], remove), 'a:\n  y: 2\nb: 3\n');
  assert.equal(mended('a:\n  x: 1\nb: 3\n', ['a'], remove), 'b: 3\n');
  assert.equal(mended('a: { b: 1, c: 2 }\n', ['a', 'c'], remove), 'a: { b: 1 }\n');
  assert.equal(mended('a: { b: 1, c: 2 }\n', ['a', 'b'], remove), 'a: { c: 2 }\n');
});

test('JSON stays JSON', () => {
  const file = '/x/a.sparring.json';
  assert.deepEqual(JSON.parse(mended('{"a": {"b": 1}}', ['a', 'c', 'd'], set('x'), file) ?? ''), {
    a: { b: 1, c: { d: 'x' } },
  });
  assert.deepEqual(JSON.parse(mended('{"a": {"b": 1, "c": 2}}', ['a', 'c'], remove, file) ?? ''), { a: { b: 1 } });
  assert.deepEqual(JSON.parse(mended('{"method": "cat"}', ['method', 'x'], set(0), file) ?? ''), {
    method: { name: 'cat', x: 0 },
  });
});

test('a fix that no longer fits does nothing', () => {
  assert.equal(mended('a: 1\n', ['b'], remove), undefined);
  assert.equal(mended('a: 1\n', ['a', 0, 'b'], set(1)), undefined);
  assert.equal(mended('', ['a'], remove), undefined);
});

test('every fix that is offered mends its problem', () => {
  const broken = [
    `${SOUND}attack: { eps: 1 }\n`,
    `${SOUND}engine: wsam\n`,
    `${SOUND}lora: { rank: "8" }\n`,
    `${SOUND}lora:\n  rank: 0 # small\n`,
    `${SOUND}zzz:\n  a: 1\n`,
    `${SOUND}evaluation:\n  attacks:\n    - name: embedding\n      file: test.jsonl\n      epsilon: [0.3, 0.1]\n`,
    `${SOUND}training: { adversarialShare: 0 }\n`,
    SOUND.replace('  utility: { file: chat.jsonl }\n', ''),
    SOUND.replace('cat', 'cta'),
    SOUND.replace('model:', 'modle:'),
  ];
  for (const text of broken) {
    const [problem] = resolved(text).problems;
    assert.ok(problem?.fix && problem.at, text);
    const better = mended(text, problem.at, problem.fix);
    assert.deepEqual(resolved(better ?? '').problems, [], better);
  }
});
