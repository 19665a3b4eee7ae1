import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { makeChatTemplate } from '../../src/model/chatTemplate';
import { compileJinja, TooMuchWork } from '../../src/model/jinja';
import { openGoldenTokenizer } from './chatGolden';

const messages = [{ role: 'user', content: 'Hello' }];
const render = (template: string) => compileJinja(template).render({ messages });

// A text of 2^21 characters, the longest that two of fit into a value.
const LONG = `{% set s = namespace(t='xxxxxxxx') %}{% for i in range(18) %}{% set s.t = s.t ~ s.t %}{% endfor %}`;
const hostile: { readonly [what: string]: string } = {
  'a range without end': '{% for i in range(1000000000) %}x{% endfor %}',
  'loops in loops': '{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}',
  'a text that doubles': "{% set s = namespace(t='x') %}{% for i in range(99) %}{% set s.t = s.t ~ s.t %}{% endfor %}",
  'a list that doubles': '{% set s = namespace(t=[1]) %}{% for i in range(99) %}{% set s.t = s.t + s.t %}{% endfor %}',
  'a list of itself twice':
    '{% set s = namespace(t=[1]) %}{% for i in range(99) %}{% set s.t = [s.t, s.t] %}{% endfor %}{{ s.t | tojson }}',
  'a namespace in itself': '{% set s = namespace() %}{% set s.t = s %}{{ s | tojson }}',
  'a namespace in a list': '{% set s = namespace() %}{% set t = [s, s] %}{{ t | tojson }}',
  'many long texts written': `${LONG}{% for i in range(9999) %}{{ s.t }}{% endfor %}`,
  'long texts joined': `${LONG}{{ range(9999) | join(s.t) }}`,
  'a long text in place of each letter': `${LONG}{{ s.t.replace('x', s.t) }}`,
  'the same by its name in a text': `${LONG}{{ s.t['replace']('', s.t) }}`,
  'the same as a filter': `${LONG}{{ s.t | replace('x', s.t) }}`,
  'the same as a value': `${LONG}{% set f = s.t.replace %}{{ f('x', s.t) }}`,
  'the same by spread arguments': `${LONG}{{ s.t.replace(*['x', s.t]) }}`,
  'a long text in pieces': `${LONG}{{ s.t.split('x') }}`,
  'an indent without end': "{{ 'a\\nb' | indent(500000000) }}",
  'the same over a block': '{% filter indent(500000000, true) %}a{% endfilter %}',
  'JSON with an indent without end': '{{ [[1]] | tojson(indent=100000000) }}',
  'a macro that calls itself': '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  'a macro that calls itself twice':
    '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
  'brackets without end': `{{ ${'('.repeat(100_000)}`,
  'lists without end': `{{ ${'['.repeat(50_000)}${']'.repeat(50_000)} }}`,
  'blanks over which a regular expression goes back': `${' '.repeat(1_000_000)}x`,
  'a template of 2 MB': 'x'.repeat(2 << 20),
};

for (const [what, template] of Object.entries(hostile))
  test(`hostile template: ${what}`, () => {
    const before = process.memoryUsage().heapUsed;
    assert.throws(() => render(template), TooMuchWork);
    assert.ok(process.memoryUsage().heapUsed - before < 400e6);
  });

test('what a template does too much is one problem that says so', () => {
  const tokenizer = openGoldenTokenizer('byteLevel');
  for (const template of [hostile['a range without end'], hostile['brackets without end']])
    assert.throws(
      () => makeChatTemplate({ template, file: 'x', tokenizer, tokens: {}, eosIds: [1] }).render({ user: 'a' }),
      (error) => error instanceof Problem && /does too much work.*use another one/.test(error.message),
    );
});

test('a template reaches nothing of JavaScript', () => {
  for (const nothing of [
    "{{ ''.constructor }}",
    '{{ messages.__proto__ }}',
    "{{ messages['constructor'] }}",
    '{{ messages.constructor.name }}',
    "{{ messages[0]['__proto__'] }}",
    '{{ messages[0].toString }}',
    '{{ {}.__proto__ }}{{ {}.constructor }}{{ (1).constructor }}{{ true.constructor }}',
    '{{ range.constructor }}{{ range.apply }}{{ namespace.prototype }}{{ raise_exception.caller }}',
    '{{ process }}{{ globalThis }}{{ require }}{{ this }}{{ self }}',
  ])
    assert.equal(render(nothing), '', nothing);
  for (const refused of [
    "{{ messages.constructor.constructor('return process')() }}",
    "{{ raise_exception.constructor('return process')() }}",
    "{{ ''['constructor']('x') }}",
    "{% set s = namespace() %}{% set s.__proto__ = range %}{{ s.constructor('x') }}",
  ])
    assert.throws(() => render(refused), /not a function/, refused);
});

test('what templates do use works', () => {
  const cases: { readonly [template: string]: string } = {
    '{% for i in range(10, 0, -3) %}{{ i }},{% endfor %}{{ range(2) | length }}': '10,7,4,1,2',
    '{% for m in messages %}{% if true %}{% continue %}{% endif %}x{% endfor %}.': '.',
    '{{ messages[::-1] | length }}{{ messages[0].content[1:] }}{{ messages[0].content.upper() }}': '1elloHELLO',
    "{{ 'aXa'.replace('X', '-') }}{{ 'a,b'.split(',')[1] }}{{ ['a', 'b'] | join('+') }}": 'a-aba+b',
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}": '1',
    "{{ {'a': 1}.items() | list | length }}{{ {'a': 1}.get('b', 2) }}{{ x | default('d') }}": '12d',
    "{% filter upper %}q{% endfilter %}{{ {'a': [1]} | tojson }}": 'Q{"a": [1]}',
    "{% set s = namespace(a='x') %}{% for m in messages %}{% set s.a = s.a ~ m.role %}{% endfor %}{{ s.a }}": 'xuser',
    // As Python has it: not the mark of a byte order, but separators; and only what is named.
    "{{ '\ufeff x\x1c ' | trim }}|{{ '\\n\\n x\\n'.strip('\\n') }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'xxa '.rstrip() }}":
      '\ufeff x| x|axx|xxa',
    "{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%-d %B %y, %A %H:%M %%') }}":
      '2024-07-26 26 July 24, Friday 12:00 %',
    '{% generation %}{{ messages[0].content }}{% endgeneration %}': 'Hello',
  };
  for (const [template, expected] of Object.entries(cases)) assert.equal(render(template), expected, template);
  assert.throws(() => render("{{ raise_exception('No such role') }}"), /No such role/);
  assert.throws(() => render('{{ range(1, 5, 0) }}'), /must not be 0/);
});
