import assert from 'node:assert/strict';
import { test } from 'node:test';
import { experimentName, resolveExperiment } from '../../src/experiment/resolve';
import { noFiles } from '../../src/experiment/sampleRows';
import { resolved, SOUND, said } from './madeExperiment';

test('a small file is whole: defaults filled in, paths absolute, named after itself', () => {
  const { resolved: it, problems } = resolved(SOUND);
  assert.deepEqual(problems, []);
  assert.equal(it?.name, 'first');
  assert.equal(it?.file, '/x/first.sparring.yaml');
  assert.equal(it?.model, '/x/model');
  assert.equal(it?.data.adversarial.file, '/x/harm.csv');
  assert.equal(it?.method.name, 'cat');
  assert.equal(it?.attack.epsilon, 0.05);
  assert.equal(it?.attack.iterations, 10);
  assert.equal(it?.lora.rank, 64);
  assert.equal(it?.training.learningRate, 2e-4);
  assert.deepEqual(it?.evaluation.attacks, []);
});

test('the long form of a method, JSON, and one radius in place of a list say the same', () => {
  const yaml = resolved(SOUND.replace('cat', '{ name: cat }')).resolved;
  assert.deepEqual(yaml, resolved(SOUND).resolved);
  const json = JSON.stringify({
    model: 'model',
    method: 'cat',
    data: { adversarial: { file: 'harm.csv' }, utility: { file: 'chat.jsonl' } },
  });
  assert.deepEqual({ ...resolved(json, '/x/first.sparring.json').resolved, file: '' }, { ...yaml, file: '' });
  const one = resolved(`${SOUND}evaluation: { attacks: [{ name: embedding, file: test.jsonl, epsilon: 0.3 }] }\n`);
  assert.deepEqual(one.resolved?.evaluation.attacks[0]?.epsilon, [0.3]);
});

// Each mistake: what is added to (or replaced in) a sound file, and the one sentence that must come out, with its place.
const mistakes: readonly [string, string, readonly string[]][] = [
  ['an empty file', '', ['1:1 missing The file is empty: it needs at least model, method and data.']],
  ['only a comment', '# later\n', ['1:1 missing The file is empty: it needs at least model, method and data.']],
  ['a list', '- a\n', ['1:1 wrongType An experiment file is a group of settings (name: value), found a list.']],
  [
    'a misspelled key of those that are needed is one problem, not two',
    SOUND.replace('model:', 'modle:'),
    ["1:1 unknownKey Unknown setting 'modle' at the top of the file; did you mean 'model'?"],
  ],
  [
    "another tool's spelling",
    `${SOUND}training:\n  learning_rate: 1\n  batch_size: 4\n`,
    [
      "7:3 unknownKey Unknown setting 'learning_rate' in 'training'; did you mean 'learningRate'?",
      "8:3 unknownKey Unknown setting 'batch_size' in 'training'; did you mean 'rows'?",
    ],
  ],
  [
    'a key in the wrong group',
    `${SOUND}rank: 3\n`,
    ["6:1 unknownKey Unknown setting 'rank' at the top of the file. It belongs under 'lora': move it there."],
  ],
  [
    'a key given twice under two names',
    `${SOUND}attack: { epsilon: 1, eps: 2 }\n`,
    ["6:23 unknownKey Unknown setting 'eps' in 'attack'; 'epsilon' is there already: remove this one."],
  ],
  [
    'an option of another method',
    SOUND.replace('cat', '{ name: capo, awayWeight: 1 }'),
    [
      "2:23 unknownKey 'capo' has no setting 'awayWeight'; it has: name, beta, awayCutoff, towardCutoff, outside, referencePrompts, referenceOrder, utilityWeight.",
    ],
  ],
  [
    'a misspelled method',
    SOUND.replace('cat', 'cta'),
    ["2:9 unknownValue 'method' must be 'cat', 'capo' or 'sft', found 'cta'; did you mean 'cat'?"],
  ],
  [
    'a misspelled method in the long form',
    SOUND.replace('cat', '{ name: cpao }'),
    ["2:17 unknownValue 'method.name' must be 'cat', 'capo' or 'sft', found 'cpao'; did you mean 'capo'?"],
  ],
  [
    'no method name',
    SOUND.replace('cat', '{ beta: 1 }'),
    ["2:1 missing 'method' needs 'name': 'cat', 'capo' or 'sft'."],
  ],
  [
    'a number for a method',
    SOUND.replace('cat', '3'),
    ["2:9 wrongType 'method' must be 'cat', 'capo' or 'sft' or a group of settings with a name, found 3."],
  ],
  [
    'a value out of its range',
    `${SOUND}attack: { iterations: 0 }\n`,
    ["6:23 outOfRange 'attack.iterations' must be at least 1, found 0."],
  ],
  [
    'a radius of 0',
    `${SOUND}attack: { epsilon: 0 }\n`,
    ["6:20 outOfRange 'attack.epsilon' must be greater than 0, found 0."],
  ],
  [
    'a fraction for a whole number',
    `${SOUND}lora: { rank: 1.5 }\n`,
    ["6:15 wrongType 'lora.rank' must be a whole number, found 1.5."],
  ],
  [
    'text for a number',
    `${SOUND}attack: { epsilon: "0.1" }\n`,
    ["6:20 wrongType 'attack.epsilon' must be a number, found text '0.1'."],
  ],
  [
    'a value for a group',
    `${SOUND}attack: 3\n`,
    ["6:9 wrongType 'attack' must be a group of settings (name: value), found 3."],
  ],
  [
    'no value at all',
    `${SOUND}seed:\n`,
    ["6:1 missing 'seed' has no value: write a whole number, or remove the line."],
  ],
  [
    'a wrong entry of a list',
    `${SOUND}evaluation:\n  attacks: [{ name: embedding, file: test.jsonl, epsilon: [0.1, x] }]\n`,
    ["7:65 wrongType 'evaluation.attacks[0].epsilon[1]' must be a number, found text 'x'."],
  ],
  [
    'an empty list',
    `${SOUND}lora: { targets: [] }\n`,
    ["6:18 outOfRange 'lora.targets' must not be empty: give at least one entry."],
  ],
  [
    'a name that is no folder',
    `${SOUND}name: my run!\n`,
    [
      "6:7 badName 'name' becomes a folder's name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit; found 'my run!'.",
    ],
  ],
  [
    'an unknown builtin',
    SOUND.replace('model: model', 'model: builtin:kepper'),
    ["1:8 unknownBuiltin Nothing called 'builtin:kepper' ships with Sparring; there is builtin:keeper."],
  ],
  [
    'a builtin that leaves its folder',
    SOUND.replace('model: model', 'model: builtin:keeper/../../etc'),
    ["1:8 outsideBuiltin 'builtin:keeper/../../etc' leaves the folder of builtin:keeper; give a path without '..'."],
  ],
];
for (const [name, text, expected] of mistakes)
  test(`said once, in the right place: ${name}`, () => assert.deepEqual(said(text), expected));

test('several mistakes are all said, in the order of the lines', () => {
  const text = `${SOUND}attack:\n  eps: 1\n  optimizer: adamw\nseed: -1\n`;
  assert.deepEqual(
    resolved(text).problems.map((it) => [it.line, it.code]),
    [
      [7, 'unknownKey'],
      [8, 'unknownValue'],
      [9, 'outOfRange'],
    ],
  );
  assert.equal(resolved(text).resolved, undefined);
});

test('a problem covers exactly the key or value that is wrong', () => {
  const [key, value] = resolved(`${SOUND}attack:\n  eps: 1\n  ball: l3\n`).problems;
  assert.deepEqual([key?.column, key?.endLine, key?.endColumn, key?.at], [3, 7, 6, ['attack', 'eps']]);
  assert.deepEqual([value?.column, value?.endLine, value?.endColumn, value?.at], [9, 8, 11, ['attack', 'ball']]);
  assert.equal(key?.file, '/x/first.sparring.yaml');
});

test('where there is one obvious mend, it is offered', () => {
  const fix = (text: string) => resolved(text).problems[0]?.fix;
  assert.deepEqual(fix(`${SOUND}attack: { eps: 1 }\n`), {
    kind: 'rename',
    title: "Rename to 'epsilon'",
    name: 'epsilon',
  });
  assert.deepEqual(fix(`${SOUND}engine: wsam\n`), { kind: 'set', title: "Change to 'wasm'", value: 'wasm' });
  assert.deepEqual(fix(`${SOUND}lora: { rank: 0 }\n`), { kind: 'set', title: 'Change to 1', value: 1 });
  assert.deepEqual(fix(`${SOUND}lora: { rank: "8" }\n`), { kind: 'set', title: 'Change to 8', value: 8 });
  assert.deepEqual(fix(`${SOUND}name: a b\n`), { kind: 'set', title: "Change to 'a-b'", value: 'a-b' });
  assert.deepEqual(fix(`${SOUND}zzz: 1\n`), { kind: 'remove', title: "Remove 'zzz'" });
});

test('names of files become names of folders', () => {
  assert.equal(experimentName('/a/first.sparring.yaml'), 'first');
  assert.equal(experimentName('/a/first.sparring.json'), 'first');
  assert.equal(experimentName('/a/_my run (2).sparring.yml'), 'my-run-2-');
  assert.equal(experimentName('/a/.sparring.yaml'), 'experiment');
});

test('a text on no disk is checked as far as its text goes', () => {
  const { resolved: it, problems } = resolveExperiment(SOUND, '/x/a.sparring.yaml', noFiles);
  assert.deepEqual(problems, []);
  assert.ok(it);
  assert.equal(resolveExperiment(`${SOUND}sed: 1\n`, '/x/a.sparring.yaml', noFiles).problems.length, 1);
});
