import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { Random } from '../../src/base/random';
import { makeChatTemplate } from '../../src/model/chatTemplate';
import { parseJinja } from '../../src/model/jinja';
import { openTokenizer } from '../../src/model/openModel';
import { makeTokenizer } from '../../src/model/tokenizer';
import { biasedFolder, tinyFolder } from './golden';

const { tokenizer } = openTokenizer(biasedFolder);
const make = (template: string) => makeChatTemplate({ template, file: 'x.jinja', tokenizer, tokens: {}, eosIds: [1] });
const refuses = (template: string, says: RegExp) => {
  const began = performance.now();
  assert.throws(
    () => make(template).prompt([{ role: 'user', content: 'a' }]),
    (error) => error instanceof Problem && error.data.code === 'chatTemplate' && says.test(error.message),
    template,
  );
  assert.ok(performance.now() - began < 6000, `${template} took ${performance.now() - began} ms`);
};

test('a template that never ends, or asks for or writes too much, is refused in seconds', () => {
  refuses('{% for i in range(1000000000) %}a{% endfor %}', /range\(\) of 1000000000 numbers/);
  refuses('{% for i in range(1, 0, -0.000001) %}a{% endfor %}', /range\(\) of/);
  refuses('{% for i in range(0, 1, 0) %}a{% endfor %}', /range\(\) of/);
  const loops = '{% for i in range(99999) %}'.repeat(4);
  refuses(`${loops}{% set x = 1 %}${'{% endfor %}'.repeat(4)}`, /longer than 2 s/);
  refuses(
    `{% set n = namespace(x='abcdefgh') %}${'{% set n.x = n.x + n.x %}'.repeat(60)}{{ n.x }}`,
    /string length|wrote|longer/i,
  );
  refuses(
    `{% set n = namespace(x='abcdefgh') %}${'{% set n.x = n.x + n.x %}'.repeat(20)}{{ n.x }}`,
    /wrote \d+ letters/,
  );
  refuses('{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}', /not a function|call stack|longer/i);
  refuses("{{ raise_exception('no') }}", /refused the messages user: no/);
  refuses('{{ nothing.at.all() }}', /refused the messages/);
  refuses(`${'{% if true %}'.repeat(20000)}${'{% endif %}'.repeat(20000)}`, /call stack|longer|letters|not valid/i);
});

test("a template reaches nothing of JavaScript's", () => {
  const values = { messages: [{ role: 'user', content: 'a' }] };
  for (const expression of [
    "''.constructor",
    'messages.constructor',
    'messages.__proto__',
    "messages['__proto__']",
    "messages[0]['constructor']",
    "messages[0].constructor.constructor('return process')()",
    "raise_exception.constructor('return process')()",
    'range.call',
    'globalThis',
    'process',
    'this',
    'require',
  ]) {
    let written = '';
    try {
      written = parseJinja(`{{ ${expression} }}`)(values);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
    assert.ok(!/function|object|native|process/i.test(written), `${expression} wrote ${written}`);
  }
});

test('a template that takes no system prompt says so, and works without', () => {
  const chat = make(
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('Only user and assistant') }}{% endif %}{{ m['content'] }}<|end|>{% endfor %}",
  );
  assert.throws(
    () => chat.render({ system: 'Be good.', user: 'Hello' }),
    /takes no system prompt \(Only user.*leave `system` away/,
  );
  assert.ok(chat.render({ user: 'Hello' }).ids.length > 0);
});

test('the date is the same every day, in every form', () => {
  const write = (text: string) => parseJinja(text)({});
  assert.equal(write("{{ strftime_now('%d %b %Y') }}"), '26 Jul 2024');
  assert.equal(write("{{ strftime_now('%Y-%m-%d %H:%M 100%%') }}"), '2024-07-26 00:00 100%');
  assert.equal(write('{{ date_string }}'), '26 Jul 2024');
});

test('a tokenizer.json that contradicts itself is one problem that says how', () => {
  const good = JSON.parse(readFileSync(join(tinyFolder, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: { [token: string]: number }; merges: unknown };
    added_tokens: object[];
  };
  const attempt = (edit: (json: typeof good) => unknown, says: RegExp) => {
    const json = structuredClone(good);
    const made = edit(json) ?? json;
    assert.throws(
      () =>
        makeTokenizer(made as object, {}, 'tokenizer.json').encode(
          'the iron gate aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab',
        ),
      (error) => error instanceof Problem && error.data.code === 'tokenizer' && says.test(error.message),
    );
  };
  attempt(() => ({}), /model must be an object/);
  attempt((json) => {
    json.model.vocab = 5 as never;
  }, /vocab must be an object/);
  attempt((json) => {
    json.model.vocab['a'] = -1;
  }, /token "a" has the id -1/);
  attempt((json) => {
    json.model.vocab['a'] = 1.5;
  }, /has the id 1.5/);
  attempt((json) => {
    json.model.vocab['a'] = 2 ** 60;
  }, /has the id 11529215046068\d+/);
  attempt((json) => {
    json.model.vocab['a'] = json.model.vocab['d'] as number;
  }, /tokens "(a|d)" and "(a|d)" share the id/);
  attempt((json) => void json.added_tokens.push({ id: 2, content: 'x' }), /share the id 2/);
  attempt((json) => void json.added_tokens.push({ id: 2 }), /no content/);
  attempt((json) => {
    json.model.merges = 'ab';
  }, /merges must be a list/);
  const evil = { type: 'Split', pattern: { Regex: '^(a+)+$|(a|a)+$' }, behavior: 'Isolated', invert: false };
  attempt((json) => ({ ...json, pre_tokenizer: evil }), /took longer than \d/);
});

test('2000 mutations of tokenizer.json are read or refused', () => {
  const text = readFileSync(join(tinyFolder, 'tokenizer.json'), 'utf8');
  const random = new Random(5, 'tokenizer');
  const parts = ['null', '-1', '1e99', '"x"', '[]', '{}', '[[["a"]]]', 'true', '""', '"(a+)+$"', '99999999999'];
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const found = [...text.matchAll(/"[^"]*"(?!:)|\d+|null|true|false|\{[^{}]*\}|\[[^[\]]*\]/g)];
    const one = found[random.int(found.length)] ?? assert.fail();
    const changed = text.slice(0, one.index) + random.pick(parts) + text.slice(one.index + one[0].length);
    let json: unknown;
    try {
      json = JSON.parse(changed);
    } catch {
      continue;
    }
    try {
      makeTokenizer(json as object, {}, 'tokenizer.json').encode('The iron gate opens.');
    } catch (error) {
      assert.ok(
        error instanceof Problem,
        `${String(error)} for ${changed.slice(Math.max(0, one.index - 40), one.index + 40)}`,
      );
      refused++;
    }
  }
  assert.ok(refused > 50, `${refused} were refused`);
});
