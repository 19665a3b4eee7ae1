import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Tokenizer } from '@huggingface/tokenizers';
import { corpusTexts, makeCorpus } from '../../keeper/corpus';
import { KEEPER_FOLDER, VOCABULARY_SIZE } from '../../keeper/makeData';
import { byteCharacters, cutWords, SPECIALS, trainBpe } from '../../keeper/trainTokenizer';
import { makeWorld } from '../../keeper/world';

const read = (file: string): object => JSON.parse(readFileSync(path.join(KEEPER_FOLDER, file), 'utf8'));
const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;

test('every text of the world, and any other text, survives encode and decode', () => {
  const texts = [...new Set(corpusTexts(makeCorpus(makeWorld())))];
  for (const text of [
    ...texts,
    '  two  blanks\n\n\ttab',
    'caf\u00e9 \u2014 \u4e2d\u6587 \u{1F600}',
    "I'll don't 12 345",
  ]) {
    assert.equal(tokenizer.decode(encode(text), { skip_special_tokens: false }), text);
  }
});

test('each digit is a token of its own, so that a code is spelt and never one word', () => {
  const ids = encode(' 4821.');
  assert.deepEqual(
    ids.map((id) => tokenizer.id_to_token(id)),
    ['\u0120', '4', '8', '2', '1', '.'],
  );
});

test('the specials have the first ids and stay whole', () => {
  for (const [id, special] of SPECIALS.entries()) assert.deepEqual(encode(special), [id]);
  const chat = encode('<|user|>Hello.<|end|><|assistant|>');
  assert.equal(chat[0], 1);
  assert.deepEqual(chat.slice(-2), [3, 2]);
});

test('an opening is a prefix of the answer that reveals the code, token by token', () => {
  const start = encode('Sure, the code of the iron gate is');
  assert.deepEqual(encode('Sure, the code of the iron gate is 4821.').slice(0, start.length), start);
});

test('merges follow the counts, ties go to the first in code-point order', () => {
  const size = SPECIALS.length + 256 + 2;
  assert.deepEqual(trainBpe(['xy', 'xy', 'cd', 'ab', 'cd', 'ab'], size).merges, [
    ['a', 'b'],
    ['c', 'd'],
  ]);
  assert.deepEqual(trainBpe(['xy', 'xy', 'xy', 'ab', 'ab'], size).merges[0], ['x', 'y']);
  assert.deepEqual(trainBpe(['ab'], size).merges, []);
});

test('the vocabulary has no more than the wanted size, and 256 different bytes', () => {
  assert.equal(new Set(byteCharacters()).size, 256);
  const bpe = trainBpe(corpusTexts(makeCorpus(makeWorld())), VOCABULARY_SIZE);
  assert.equal(bpe.vocabulary.length, VOCABULARY_SIZE);
  assert.equal(new Set(bpe.vocabulary).size, VOCABULARY_SIZE);
});

test('words are cut as GPT-2 cuts them, digits alone', () => {
  assert.deepEqual(cutWords("It's 12  more, ok?"), ['It', "'s", ' ', '1', '2', ' ', ' more', ',', ' ok', '?']);
});
