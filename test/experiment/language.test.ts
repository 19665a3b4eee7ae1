import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completionsAt, hoverAt } from '../../src/experiment/language';

const YAML = '/x/a.sparring.yaml';
const JSON_FILE = '/x/a.sparring.json';
/** What is proposed at the bar. */
const at = (marked: string, file = YAML) => {
  const offset = marked.indexOf('|');
  return completionsAt(marked.replace('|', ''), file, offset);
};
const labels = (marked: string, file?: string) => at(marked, file).map((it) => it.label);

test('keys that are still possible, the needed ones first', () => {
  const all = at('|');
  assert.deepEqual(
    [...all]
      .sort((a, b) => a.order.localeCompare(b.order))
      .map((it) => it.label)
      .slice(0, 3),
    ['model', 'method', 'data'],
  );
  assert.ok(!labels('model: x\n|').includes('model'));
  assert.ok(labels('model: x\nmo|').includes('method'));
  assert.deepEqual(labels('attack:\n  epsilon: 1\n  |\nseed: 1\n').slice(0, 2), ['iterations', 'stepSize']);
  assert.deepEqual(labels('method: { name: capo, |'), [
    'beta',
    'awayCutoff',
    'towardCutoff',
    'outside',
    'referencePrompts',
    'referenceOrder',
    'utilityWeight',
  ]);
  assert.ok(labels('method:\n  name: cat\n  |').includes('cutoffForm'));
  assert.ok(!labels('method:\n  name: cat\n  |').includes('beta'));
});

test('keys inside lists, in every way of indenting them', () => {
  for (const start of [
    'evaluation:\n  attacks:\n    - name: embedding\n      ',
    'evaluation:\n  attacks:\n  - name: embedding\n    ',
    'evaluation: { attacks: [{ name: embedding, ',
  ]) {
    const found = labels(`${start}|`);
    assert.ok(found.includes('epsilon') && !found.includes('name'), start);
  }
  assert.ok(labels('evaluation:\n  attacks:\n    - |').includes('name'));
  const second = labels(
    'evaluation:\n  attacks:\n    - name: embedding\n      epsilon: 1\n    - name: embedding\n      |',
  );
  assert.ok(second.includes('epsilon'));
});

test('values: enumerations, short forms, truth values, what ships', () => {
  assert.deepEqual(labels('attack:\n  optimizer: |'), ['sign', 'adam', 'rms', 'normalized']);
  assert.deepEqual(labels('method: |'), ['cat', 'capo', 'sft']);
  assert.deepEqual(labels('method:\n  name: |'), ['cat', 'capo', 'sft']);
  assert.deepEqual(labels('evaluation:\n  before: |'), ['true', 'false']);
  assert.deepEqual(labels('model: |'), ['builtin:keeper']);
  assert.deepEqual(labels('seed: 1 # o|'), []);
  assert.ok(labels('data:\n  adversarial:\n    file: |').includes('builtin:keeper/data/adversarial.jsonl'));
});

test('JSON gets quotes, and what is typed is replaced whole', () => {
  const [first] = at('{\n  "attack": { "opt|" }\n}', JSON_FILE).filter((it) => it.label === 'optimizer');
  assert.match(first?.snippet ?? '', /^"optimizer": \$\{1\|"sign","adam"/);
  const text = '{\n  "attack": { "opt" }\n}';
  assert.equal(text.slice(first?.replace.start, first?.replace.end), '"opt"');
  assert.deepEqual(
    at('{ "attack": { "ball": "|" } }', JSON_FILE).map((it) => it.snippet),
    ['"l2"', '"none"'],
  );
});

test('snippets fit the language: groups go on in the next line, defaults are filled in', () => {
  const snippet = (label: string, marked = '|') => at(marked).find((it) => it.label === label)?.snippet;
  assert.equal(snippet('attack'), 'attack:\n  $0');
  assert.equal(snippet('$schema')?.startsWith('\\$schema:'), true);
  assert.equal(snippet('epsilon', 'attack:\n  |'), `epsilon: $${'{1:0.05}'}`);
  assert.equal(snippet('attacks', 'evaluation:\n  |'), 'attacks:\n  - $0');
});

test('hovers tell unit, range, default and the paper', () => {
  const hover = (marked: string) => hoverAt(marked.replace('|', ''), YAML, marked.indexOf('|'));
  const epsilon = hover('attack:\n  eps|ilon: 0.1\n');
  for (const part of [
    /attack\.epsilon\*\*: a number above 0/,
    /Unit: mean L2 norms/,
    /Default: `0\.05`/,
    /arXiv 2405\.15589\): 0\.1 for Gemma/,
  ])
    assert.match(epsilon?.markdown ?? '', part);
  assert.deepEqual(epsilon?.range, { line: 2, column: 3, endLine: 2, endColumn: 10 });
  assert.match(hover('method: ca|po\n')?.markdown ?? '', /preference/);
  assert.match(hover('method: { name: capo, towardCut|off: 0 }\n')?.markdown ?? '', /Default: `0`/);
  assert.match(
    hover('evaluation: { attacks: [{ name: embedding, epsilon: [0.1, 0|.2] }] }\n')?.markdown ?? '',
    /Radius/,
  );
  assert.equal(hover('nonsense|: 1\n'), undefined);
  assert.equal(hover('# com|ment\n'), undefined);
});

test('no unfinished text makes completion or hover fail', () => {
  const whole =
    'model: "a\nmethod: { name: cat, x: [1, {a: b}\nevaluation:\n - x\n  attacks:\n\t- : y\n# c\n\'q: &a *b !!t |\n';
  for (let i = 0; i <= whole.length; i++)
    for (const file of [YAML, JSON_FILE]) {
      completionsAt(whole.slice(0, i), file, i);
      completionsAt(whole, file, i);
      hoverAt(whole, file, i);
    }
});
