import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { findTemplate, templateFiles } from '../../src/model/findTemplate';
import { temporaryFolder } from '../temporaryFolder';

function folderOf(files: { readonly [name: string]: string }): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
const named = [
  { name: 'default', template: 'D' },
  { name: 'tool_use', template: 'T' },
];

test('each place is looked in, files before tokenizer_config.json before chat_template.json', () => {
  const found = (files: { [name: string]: string }, settings: object, wanted?: string) =>
    findTemplate(folderOf(files), { ...settings }, wanted).template;
  assert.equal(found({}, {}), undefined);
  assert.equal(found({}, { chat_template: null }), undefined);
  assert.equal(found({}, { chat_template: 'A' }), 'A');
  assert.equal(found({}, { chat_template: named }), 'D');
  assert.equal(found({}, { chat_template: named }, 'tool_use'), 'T');
  assert.equal(found({ 'chat_template.jinja': 'F' }, { chat_template: 'A' }), 'F');
  const files = { 'chat_template.jinja': 'F', 'additional_chat_templates/rag.jinja': 'R' };
  assert.equal(found(files, {}), 'F');
  assert.equal(found(files, {}, 'rag'), 'R');
  assert.equal(found(files, {}, 'default'), 'F');
  assert.equal(found({ 'chat_template.json': '{"chat_template": "O"}' }, {}), 'O');
  assert.equal(found({ 'chat_template.json': '{"chat_template": "O"}' }, { chat_template: 'A' }), 'A');
  assert.deepEqual(templateFiles(folderOf(files)), [
    'chat_template.jinja',
    'chat_template.json',
    'additional_chat_templates/rag.jinja',
  ]);
});

test('a file that the experiment names is used in place of the model’s own', () => {
  const file = join(folderOf({ 'mine.jinja': 'M' }), 'mine.jinja');
  assert.deepEqual(findTemplate(folderOf({ 'chat_template.jinja': 'F' }), {}, file), { template: 'M', file });
  assert.throws(() => findTemplate(folderOf({}), {}, '/nowhere/mine.jinja'), /no such chat template/);
  const large = join(folderOf({ 'large.jinja': 'x'.repeat(2 << 20) }), 'large.jinja');
  assert.throws(() => findTemplate(folderOf({}), {}, large), /at most 1048576 bytes/);
});

test('what is no template, or has another name, is said with what there is', () => {
  const wrong = (settings: object, says: RegExp, wanted?: string) =>
    assert.throws(() => findTemplate(folderOf({}), { ...settings }, wanted), says);
  wrong({ chat_template: 5 }, /must be a text, or a list of texts with names/);
  wrong({ chat_template: [{ name: 'default' }] }, /must be a text, or a list of texts with names/);
  wrong({ chat_template: [null] }, /must be a text, or a list of texts with names/);
  wrong({ chat_template: [{ name: 'a', template: 'A' }] }, /none .* is its default; name one .* `template: NAME`: 'a'/);
  wrong({ chat_template: named }, /no chat template called 'rag'; it has 'default', 'tool_use'/, 'rag');
  wrong({ chat_template: named }, /no chat template called '__proto__'/, '__proto__');
  wrong({}, /no chat templates, so none is called 'rag'; .* give the path of a .jinja file/, 'rag');
});

test('links that lead out of the folder are refused', () => {
  const outside = folderOf({ 'secret.jinja': 'S', 'secret.json': '{"chat_template": "S"}' });
  const one = folderOf({});
  symlinkSync(join(outside, 'secret.jinja'), join(one, 'chat_template.jinja'));
  assert.throws(() => findTemplate(one, {}), /leads out of the model folder/);
  const two = folderOf({});
  symlinkSync(outside, join(two, 'additional_chat_templates'));
  assert.throws(() => findTemplate(two, {}), /leads out of the model folder/);
  const three = folderOf({});
  symlinkSync(join(outside, 'secret.json'), join(three, 'chat_template.json'));
  assert.throws(() => findTemplate(three, {}), /leads out of the model folder/);
});
