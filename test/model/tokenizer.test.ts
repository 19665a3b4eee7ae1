import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import type { Json } from '../../src/model/fields';
import { openTokenizer } from '../../src/model/openTokenizer';
import { makeTokenizer } from '../../src/model/tokenizer';
import { temporaryFolder } from '../temporaryFolder';
import { tokenizerJson } from './chatGolden';
import { tinyFolder } from './golden';

interface Editable {
  model: { vocab: { [token: string]: unknown }; merges: unknown[]; type: string };
  added_tokens: { id: unknown; content: unknown }[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: unknown;
}
const edited = (edit: (json: Editable) => void): Json => {
  const json = structuredClone(tokenizerJson('byteLevel')) as unknown as Editable;
  edit(json);
  return json as unknown as Json;
};

const broken: readonly [what: string, edit: (json: Editable) => void, says: RegExp][] = [
  ['no model', (json) => Object.assign(json, { model: 5 }), /it has no model/],
  ['a type that nobody knows', (json) => Object.assign(json.model, { type: 'Runes' }), /type "Runes" is not known/],
  [
    'a step that nobody knows',
    (json) => Object.assign(json, { pre_tokenizer: { type: 'Runes' } }),
    /could not be read/,
  ],
  ['a vocabulary that is no object', (json) => Object.assign(json.model, { vocab: 'abc' }), /vocabulary is no object/],
  ['no vocabulary', (json) => Object.assign(json.model, { vocab: undefined }), /vocabulary is no object/],
  ['an id that is negative', (json) => Object.assign(json.model.vocab, { x1: -1 }), /the id of "x1" is -1/],
  ['an id that is no whole number', (json) => Object.assign(json.model.vocab, { x1: 1.5 }), /the id of "x1" is 1.5/],
  ['an id that is a text', (json) => Object.assign(json.model.vocab, { x1: '7' }), /the id of "x1" is "7"/],
  ['an id beyond every table', (json) => Object.assign(json.model.vocab, { x1: 4e9 }), /the id of "x1" is 4000000000/],
  ['an id of two tokens', (json) => Object.assign(json.model.vocab, { x1: 5 }), /id 5 is that of ".*" and of "x1"/],
  ['merges that are no list', (json) => Object.assign(json.model, { merges: {} }), /merges are no list/],
  ['a merge of one token', (json) => json.model.merges.push('Ġt'), /merge \d+ is no pair/],
  ['a merge of an unknown token', (json) => json.model.merges.push('zz zz'), /merge \d+ names "zz"/],
  ['a merge into an unknown token', (json) => json.model.merges.push(['Ġ', 'z']), /merge \d+ names "Ġz"/],
  ['added tokens that are no list', (json) => Object.assign(json, { added_tokens: 5 }), /added_tokens are no list/],
  ['an added token without content', (json) => Object.assign(json.added_tokens[0]!, { content: '' }), /no content/],
  [
    'an added token with an id that is taken',
    (json) => Object.assign(json.added_tokens[0]!, { id: 5 }),
    /id 5 is that of/,
  ],
  ['an added token with a huge id', (json) => Object.assign(json.added_tokens[0]!, { id: 4e9 }), /is 4000000000/],
  [
    'an added token twice',
    (json) => json.added_tokens.push({ ...json.added_tokens[0]!, id: 900 }),
    /has the ids \d+ and 900/,
  ],
  [
    'a normalizer that makes texts longer and longer',
    (json) => {
      const double = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };
      json.normalizer = { type: 'Sequence', normalizers: Array.from({ length: 40 }, () => double) };
    },
    /normalizer makes texts too long/,
  ],
  [
    'a decoder that does',
    (json) =>
      Object.assign(json, { decoder: { type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(9999) } }),
    /decoder makes texts too long/,
  ],
];

for (const [what, edit, says] of broken)
  test(`a tokenizer.json with ${what} is one problem`, () => {
    assert.throws(
      () => makeTokenizer(edited(edit), {}, 'tokenizer.json'),
      (error) => {
        assert.ok(error instanceof Problem, String(error));
        assert.equal(error.data.code, 'tokenizer');
        assert.equal(error.data.file, 'tokenizer.json');
        assert.match(error.message, says);
        return true;
      },
    );
  });

test('a rule that goes back without end is ended', () => {
  const json = edited((it) => {
    it.pre_tokenizer = { type: 'Split', pattern: { Regex: '(?:[a-z]+)+$' }, behavior: 'Isolated', invert: false };
  });
  const tokenizer = makeTokenizer(json, {}, 'tokenizer.json');
  assert.throws(
    () => tokenizer.encode(`${'a'.repeat(60)}1`),
    (error) => error instanceof Problem && /one of its rules is endless/.test(error.message),
  );
});

test('ids may go up to the model’s last one, however few they are', () => {
  const folder = temporaryFolder();
  cpSync(tinyFolder, folder, { recursive: true });
  const path = join(folder, 'tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as Editable;
  const { vocabularySize } = openTokenizer(folder).config;
  const put = (id: number) => {
    const added_tokens = [...json.added_tokens, { ...json.added_tokens[0]!, content: '<|last|>', id }];
    const { vocab, merges } = json.model;
    // One token less, so that their number would not tell.
    const gone = Object.keys(vocab).find((token) => vocab[token] === vocabularySize - 1)!;
    const { [gone]: _gone, ...rest } = vocab;
    const left = merges.filter((merge) => (merge as string[]).join('') !== gone);
    writeFileSync(path, JSON.stringify({ ...json, model: { ...json.model, vocab: rest, merges: left }, added_tokens }));
  };
  put(vocabularySize - 1);
  assert.equal(openTokenizer(folder).tokenizer.vocabularySize, vocabularySize);
  put(vocabularySize);
  assert.throws(() => openTokenizer(folder), /ids up to 96, the model 96 tokens; they do not belong together/);
});
