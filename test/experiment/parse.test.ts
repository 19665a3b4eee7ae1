import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExperiment } from '../../src/experiment/parse';
import { SOUND, said } from './madeExperiment';

const JSON_RULES = 'A .json file holds plain JSON: no comments, no trailing commas, names in quotes.';
const mistakes: readonly [string, string, string, string?][] = [
  [
    'a list without its end',
    `${SOUND}lora: { targets: [a\n`,
    '7:1 syntax A list that begins with [ is not closed: add ].',
  ],
  ['a key twice', `${SOUND}seed: 1\nseed: 2\n`, '7:1 syntax This key stands here twice: remove one of the two.'],
  ['tabs', `${SOUND}attack:\n\tepsilon: 1\n`, '7:1 syntax YAML is not indented with tabs: use spaces.'],
  [
    'a tag',
    `${SOUND}seed: !!js/function "x"\n`,
    '6:7 syntax Tags (!...) are not used in experiment files: write the value without its tag.',
  ],
  [
    'two documents',
    `${SOUND}---\nmodel: x\n`,
    "6:1 syntax An experiment file holds one experiment: remove the '---' and what follows, or move it to a file of its own.",
  ],
  [
    'a comma too many in JSON',
    '{"model": "x",\n "method": "cat",}',
    `2:17 syntax This is not valid JSON. ${JSON_RULES}`,
    '/x/a.sparring.json',
  ],
  [
    'a word without quotes in JSON',
    '{"model": "x",\n "method": cat}',
    `2:12 syntax Text needs double quotes here. ${JSON_RULES}`,
    '/x/a.sparring.json',
  ],
];
for (const [name, text, expected, file] of mistakes)
  test(`syntax errors have their place and mend: ${name}`, () => {
    const [first] = said(text, file);
    // where a trailing comma is reported differs by one column between versions of Node
    if (name.startsWith('a comma')) assert.match(first ?? '', /^2:1[78] syntax This is not valid JSON\. A \.json file/);
    else assert.equal(first, expected);
  });

test('aliases work, and a few lines cannot unfold into gigabytes', () => {
  const { value } = parseExperiment('a: &one { b: 1 }\nc: *one\n', '/x.yaml');
  assert.deepEqual(value, { a: { b: 1 }, c: { b: 1 } });
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1]',
    ...'bcdefghi'.split('').map((it, i) => `${it}: &${it} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`),
  ];
  const { problems } = parseExperiment(bomb.join('\n'), '/x.yaml');
  assert.match(problems[0]?.message ?? '', /more than 50 aliases: write the values out/);
});

test('keys that JavaScript treats specially are plain data', () => {
  const { value } = parseExperiment('__proto__: { polluted: 1 }\n', '/x.yaml');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.deepEqual(Object.keys(value as object), ['__proto__']);
  assert.match(said(`${SOUND}__proto__: { a: 1 }\n`)[0] ?? '', /^6:1 unknownKey Unknown setting '__proto__'/);
  assert.match(said(`${SOUND}constructor: 1\n`)[0] ?? '', /^6:1 unknownKey Unknown setting 'constructor'/);
});

test('places of keys, values, entries, and of what is not there', () => {
  const text = 'a:\n  b: [10, 20]\n  c:\n    - d: x\n';
  const { rangeOf } = parseExperiment(text, '/x.yaml');
  const at = (path: (string | number)[], part?: 'key' | 'value') => {
    const { line, column, endLine, endColumn } = rangeOf(path, part);
    return [line, column, endLine, endColumn];
  };
  assert.deepEqual(at(['a', 'b', 1]), [2, 11, 2, 13]);
  assert.deepEqual(at(['a', 'b'], 'key'), [2, 3, 2, 4]);
  assert.deepEqual(at(['a', 'c', 0, 'd']), [4, 10, 4, 11]);
  // not there: the key of the nearest group around it
  assert.deepEqual(at(['a', 'zzz']), [1, 1, 1, 2]);
  assert.deepEqual(at(['zzz']), [1, 1, 1, 3]);
});

test('what stands at an offset', () => {
  const text = 'a:\n  b: [10, 20]\n';
  const { pathAt } = parseExperiment(text, '/x.yaml');
  assert.deepEqual(pathAt(text.indexOf('b')), { path: ['a', 'b'], part: 'key' });
  assert.deepEqual(pathAt(text.indexOf('20')), { path: ['a', 'b', 1], part: 'value' });
});

test('Windows line ends and a byte order mark change nothing', () => {
  assert.deepEqual(said(SOUND.replaceAll('\n', '\r\n')), []);
  assert.deepEqual(said(`\uFEFF${SOUND}`), []);
  assert.deepEqual(said(`${SOUND.replaceAll('\n', '\r\n')}sed: 1\r\n`), [
    "6:1 unknownKey Unknown setting 'sed' at the top of the file; did you mean 'seed'?",
  ]);
});

test('a broken text still gives a guess of its value', () => {
  const { value, guess } = parseExperiment('method:\n  name: capo\n  be\n', '/x.yaml');
  assert.equal(value, undefined);
  assert.equal((guess as { method?: { name?: string } }).method?.name, 'capo');
});
