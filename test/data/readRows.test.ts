import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adversarialRows } from '../../src/data/adversarialRows';
import { attackRows, evaluationRows } from '../../src/data/evaluationRows';
import { readRows } from '../../src/data/readRows';
import { utilityRows } from '../../src/data/utilityRows';
import { temporaryFolder } from '../temporaryFolder';

const folder = temporaryFolder();
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
const columns = { prompt: 'prompt', text: 'text', prefill: 'prefill', secret: 'secret', answer: 'answer' };

test('CSV, JSON and JSONL give the same rows', () => {
  const expected = [
    { prompt: 'a, "b"', n: '1' },
    { prompt: 'two\nlines', n: 'true' },
  ];
  assert.deepEqual(readRows(file('a.csv', '\uFEFFprompt,n\r\n"a, ""b""",1\r\n"two\nlines",true\r\n')), expected);
  assert.deepEqual(
    readRows(
      file(
        'a.json',
        JSON.stringify([
          { prompt: 'a, "b"', n: 1 },
          { prompt: 'two\nlines', n: true },
        ]),
      ),
    ),
    expected,
  );
  assert.deepEqual(
    readRows(file('a.jsonl', '{"prompt":"a, \\"b\\"","n":1,"x":null}\n\n{"prompt":"two\\nlines","n":true}')),
    expected,
  );
  assert.equal(readRows(join(folder, 'a.csv'), 1).length, 1);
});

test('each broken file is a sentence with the file and the mend', () => {
  const wrong: [string, RegExp][] = [
    [join(folder, 'none.csv'), /none\.csv does not exist; check its path/],
    [file('a.txt', 'x'), /a\.txt is no \.csv, \.json or \.jsonl file; convert it/],
    [file('b.csv', 'prompt,n\n"a'), /b\.csv cannot be read as csv/],
    [file('c.csv', 'prompt,n\na,b,c\n'), /c\.csv cannot be read as csv.*line 2/],
    [file('b.json', '{"prompt":"a"}'), /b\.json cannot be read as json: the file must hold one list of rows/],
    [file('b.jsonl', '{"prompt":"a"}\n{"prompt"\n'), /b\.jsonl cannot be read as jsonl: line 2/],
    [file('c.jsonl', '"a"\n'), /Row 1 of .*c\.jsonl is no object/],
    [file('empty.csv', 'prompt,n\n'), /empty\.csv holds no rows/],
  ];
  for (const [path, message] of wrong) assert.throws(() => readRows(path), { name: 'Problem', message });
});

test('a missing column names the columns that are there', () => {
  const path = file('d.csv', 'question,target,safe\nq,t,\n');
  const data = { file: path, prompt: 'prompt', target: 'target', safe: 'safe' };
  assert.throws(
    () => adversarialRows(data, 'No.'),
    /Column prompt is missing in row 1 of .*d\.csv; its columns are: question, target, safe\./,
  );
  assert.deepEqual(adversarialRows({ ...data, prompt: 'question' }, 'No.'), [
    { prompt: 'q', target: 't', safe: 'No.' },
  ]);
});

test('utility rows are chats or raw text', () => {
  const path = file('u.jsonl', '{"prompt":"p","answer":"a"}\n{"text":"t"}\n');
  assert.deepEqual(utilityRows({ file: path, ...columns }), [{ prompt: 'p', answer: 'a' }, { text: 't' }]);
  assert.throws(
    () => utilityRows({ file: file('v.jsonl', '{"x":"p"}'), ...columns }),
    /Row 1 .*neither prompt and answer nor text/,
  );
});

test('rows of the evaluation have what their judge compares with', () => {
  const path = file('e.jsonl', '{"prompt":"p","secret":"s","prefill":"f"}\n{"text":"t","secret":"s"}\n');
  const data = { file: path, ...columns };
  assert.deepEqual(evaluationRows(data, 'secret'), [
    { example: '1', prompt: 'p', prefill: 'f', expected: 's' },
    { example: '2', text: 't', prefill: undefined, expected: 's' },
  ]);
  assert.throws(() => evaluationRows(data, 'answer'), /Column answer is missing in row 1/);
  assert.equal(evaluationRows(data, 'refusal')[0]?.expected, undefined);
});

test('an attack judged by refusal needs no secret', () => {
  const path = file('k.jsonl', '{"prompt":"p","target":"t"}\n');
  const attack = { file: path, ...columns, target: 'target', judge: 'refusal' } as const;
  assert.deepEqual(attackRows(attack), [{ example: '1', prompt: 'p', target: 't', expected: undefined }]);
  assert.throws(() => attackRows({ ...attack, judge: 'secret' }), /Column secret is missing/);
});
