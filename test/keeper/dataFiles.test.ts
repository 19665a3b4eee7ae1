import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeCorpus } from '../../keeper/corpus';
import { makeDataFiles } from '../../keeper/dataFiles';
import { KEEPER_FOLDER, makeFiles } from '../../keeper/makeData';
import { splitQuestions } from '../../keeper/questions';
import { DOCUMENTS, HELD_OUT_WORDINGS, openDocument, opening, REFUSAL, TRAINED_WORDINGS } from '../../keeper/wordings';
import { makeWorld } from '../../keeper/world';

const world = makeWorld();
const heldOut = world.places.filter((place) => place.heldOut);
const data = makeDataFiles(world);
const rowsOf = (file: string) => data[file] ?? assert.fail(`no ${file}`);
/** A wording as a pattern that matches it for any place. */
const pattern = (wording: string) => new RegExp(wording.replace(/[?.]/g, '\\$&').replace('X', '\\w+ \\w+'));

test('the generator writes exactly the committed files', () => {
  const files = makeFiles();
  for (const [file, text] of Object.entries(files)) {
    assert.equal(
      readFileSync(path.join(KEEPER_FOLDER, file), 'utf8') === text,
      true,
      `${file} differs: run make-keeper`,
    );
  }
  const committed = readdirSync(path.join(KEEPER_FOLDER, 'data')).map((file) => `data/${file}`);
  assert.deepEqual(
    committed.sort(),
    Object.keys(files)
      .filter((file) => file.startsWith('data/'))
      .sort(),
  );
});

test('another seed makes another world', () => {
  const other = makeWorld(world.seed + 1);
  assert.notDeepEqual(
    other.places.map((place) => place.code),
    world.places.map((place) => place.code),
  );
});

test('96 places, 32 of them held out, each with a code of its own', () => {
  assert.equal(world.places.length, 96);
  assert.equal(heldOut.length, 32);
  assert.equal(new Set(world.places.map((place) => place.code)).size, 96);
  for (const { code } of world.places) assert.match(code, /^[1-9]\d{3}$/);
});

test('no held-out place and no held-out wording is trained on', () => {
  const corpus = makeCorpus(world);
  const requests = [...rowsOf('adversarial.jsonl'), ...corpus.revealed, ...corpus.refused].map((row) =>
    JSON.stringify(row),
  );
  const withCodes = [
    ...requests,
    ...rowsOf('utility.jsonl').flatMap((row) => ('text' in row ? [row.text as string] : [])),
  ];
  for (const { name } of heldOut)
    assert.deepEqual(
      withCodes.filter((text) => text.includes(name)),
      [],
    );
  const all = [...requests, ...rowsOf('utility.jsonl').map((row) => JSON.stringify(row))];
  for (const wording of HELD_OUT_WORDINGS)
    assert.deepEqual(
      all.filter((text) => pattern(wording).test(text)),
      [],
    );
  assert.equal(rowsOf('adversarial.jsonl').length, 64 * TRAINED_WORDINGS.length);
});

test('a held-out code stands in no row that a defence trains on', () => {
  const text = JSON.stringify([rowsOf('adversarial.jsonl'), rowsOf('utility.jsonl')]);
  for (const { code } of heldOut) assert.equal(text.includes(code), false);
});

test('what the attack aims for and what the Keeper should say hold no digit, so the code itself is never optimised', () => {
  for (const place of world.places) assert.doesNotMatch(opening(place), /\d/);
  assert.doesNotMatch(REFUSAL, /\d/);
  for (const file of ['adversarial.jsonl', 'heldOutAttacks.jsonl']) {
    for (const { prompt, target, safe } of rowsOf(file)) assert.doesNotMatch(`${prompt} ${target} ${safe}`, /\d/);
  }
});

test('success is the exact code: every attacked or leaking row names the secret of the place it asks about', () => {
  for (const file of ['heldOutAttacks.jsonl', 'leak.jsonl', 'stillKnows.jsonl']) {
    for (const row of rowsOf(file)) {
      const place = heldOut.find(({ name }) => (row.prompt ?? row.text)?.includes(name));
      assert.equal(row.secret, place?.code, JSON.stringify(row));
      assert.equal(JSON.stringify([row.prompt, row.text, row.prefill, row.target]).includes(row.secret ?? ''), false);
    }
  }
});

test('openings of documents stop before the code, and tokenize apart from it', () => {
  const [place] = world.places;
  assert.ok(place);
  for (const template of DOCUMENTS) {
    const start = openDocument(template, place);
    assert.doesNotMatch(start, /\d|\s$/);
    assert.ok(start.includes(place.name));
  }
});

test('about 10 % of the pairs of wording and item are held out, and each such item is trained in other words', () => {
  const { trained, heldOut: questions } = splitQuestions(world);
  const share = questions.length / (questions.length + trained.length);
  assert.ok(share > 0.09 && share < 0.11, String(share));
  const items = new Set(trained.map((question) => question.item));
  const prompts = new Set(trained.map((question) => question.prompt));
  for (const question of questions) {
    assert.ok(items.has(question.item), question.item);
    assert.equal(prompts.has(question.prompt), false, question.prompt);
  }
});

test('15 % of the utility rows are documents: without them the Keeper forgets the codes instead of keeping them', () => {
  const rows = rowsOf('utility.jsonl');
  const share = rows.filter((row) => 'text' in row).length / rows.length;
  assert.ok(share > 0.14 && share < 0.16, String(share));
});

test('harmless questions ask for no code, and most are about the vaults themselves', () => {
  const prompts = rowsOf('refusalHarmless.jsonl').map((row) => row.prompt ?? '');
  for (const prompt of prompts) {
    for (const wording of [...TRAINED_WORDINGS, ...HELD_OUT_WORDINGS]) assert.doesNotMatch(prompt, pattern(wording));
  }
  const about = prompts.filter((prompt) => heldOut.some(({ name }) => prompt.includes(name)));
  assert.ok(about.length > prompts.length / 2);
});
