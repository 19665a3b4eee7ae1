import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { openTokenizer } from '../../src/model/openModel';
import { temporaryFolder } from '../temporaryFolder';
import { familyCases } from './familyGolden';

const marked = (mark: string) => `{% for m in messages %}${mark}{{ m['content'] }}<|end|>{% endfor %}`;
/** A model folder without any template. */
const bare = () => {
  const folder = temporaryFolder();
  cpSync(familyCases['qwen3']!.folder(), folder, { recursive: true });
  rmSync(join(folder, 'chat_template.jinja'));
  return folder;
};
const put = (folder: string, name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
const written = (folder: string, template?: string) => {
  const { chat, tokenizer } = openTokenizer(folder, template);
  return tokenizer.decode(chat.prompt([{ role: 'user', content: 'the iron gate' }]), { keepSpecial: true });
};
const refused = (folder: string, template: string | undefined, says: RegExp) =>
  assert.throws(
    () => written(folder, template),
    (error) => error instanceof Problem && says.test(error.message),
  );

test('a template is found wherever transformers looks for it, files before settings', () => {
  const folder = bare();
  refused(folder, undefined, /no chat template; name one as `template` in the experiment/);
  put(folder, 'chat_template.json', { chat_template: marked('1') });
  assert.equal(written(folder), '1the iron gate<|end|>');
  put(folder, 'tokenizer_config.json', { chat_template: marked('2') });
  assert.equal(written(folder), '2the iron gate<|end|>');
  put(folder, 'chat_template.jinja', marked('3'));
  assert.equal(written(folder), '3the iron gate<|end|>');
});

test('of several the default is taken, unless another is named', () => {
  const folder = bare();
  const list = [
    { name: 'tools', template: marked('4') },
    { name: 'default', template: marked('5') },
  ];
  put(folder, 'tokenizer_config.json', { chat_template: list });
  mkdirSync(join(folder, 'additional_chat_templates'));
  put(folder, 'additional_chat_templates/plain.jinja', marked('6'));
  assert.equal(written(folder), '5the iron gate<|end|>');
  assert.equal(written(folder, 'tools'), '4the iron gate<|end|>');
  assert.equal(written(folder, 'plain'), '6the iron gate<|end|>');
  refused(folder, 'rag', /no chat template called rag; it has plain, tools, default.*its path, ending in .jinja/);
  put(folder, 'tokenizer_config.json', { chat_template: list.slice(0, 1) });
  refused(folder, undefined, /several chat templates and none called default; name one as `template`: plain, tools/);
  put(folder, 'tokenizer_config.json', { chat_template: [{ name: 'x' }] });
  refused(folder, undefined, /a list of named ones/);
});

test('a file of your own overrules the model, and a base model needs one', () => {
  const folder = bare();
  const own = join(temporaryFolder(), 'own.jinja');
  writeFileSync(own, marked('7'));
  assert.equal(written(folder, own), '7the iron gate<|end|>');
  refused(folder, join(folder, 'absent.jinja'), /no such file/);
  writeFileSync(own, ' '.repeat(1_000_001));
  refused(folder, own, /more than 1000000 bytes/);
});

test('a template that is a link out of the folder is refused', () => {
  const folder = bare();
  const secret = join(temporaryFolder(), 'secret.jinja');
  writeFileSync(secret, marked('8'));
  symlinkSync(secret, join(folder, 'chat_template.jinja'));
  refused(folder, undefined, /leads out of the model folder/);
  rmSync(join(folder, 'chat_template.jinja'));
  const outside = temporaryFolder();
  writeFileSync(join(outside, 'x.jinja'), marked('9'));
  symlinkSync(outside, join(folder, 'additional_chat_templates'));
  refused(folder, 'x', /leads out of the model folder/);
});
