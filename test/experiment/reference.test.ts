import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { experimentJsonSchema, type JsonNode } from '../../src/experiment/jsonSchema';
import { nearest } from '../../src/experiment/nearest';
import { referencePage, schemaFile } from '../../src/experiment/reference';
import { resolveExperiment } from '../../src/experiment/resolve';
import { noFiles } from '../../src/experiment/sampleRows';

const root = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('the reference page and the JSON Schema are up to date (npm run make-reference)', () => {
  assert.equal(read('docs/experiment-file.md'), referencePage());
  assert.equal(read('media/experiment.schema.json'), schemaFile());
});

test('every setting says what it does', () => {
  const silent: string[] = [];
  const visit = (path: string, node: JsonNode): void => {
    if (path !== '' && !node.description) silent.push(path);
    for (const it of node.oneOf ?? node.anyOf ?? [node])
      for (const [name, child] of Object.entries(it.properties ?? {})) visit(`${path}.${name}`, child);
    if (node.items?.properties)
      for (const [name, child] of Object.entries(node.items.properties)) visit(`${path}[].${name}`, child);
  };
  visit('', experimentJsonSchema());
  assert.deepEqual(silent, []);
});

test('every choice of an enumeration is explained', () => {
  const wrong: string[] = [];
  const visit = (path: string, node: JsonNode): void => {
    if (node.enum && node.values && node.enum.some((it) => !node.values?.[String(it)])) wrong.push(path);
    if (node.enum && !node.values && !/method/.test(path)) wrong.push(path);
    for (const it of [...(node.oneOf ?? []), ...(node.anyOf ?? []), ...(node.items ? [node.items] : [])])
      visit(path, it);
    for (const [name, child] of Object.entries(node.properties ?? {})) visit(`${path}.${name}`, child);
  };
  visit('', experimentJsonSchema());
  assert.deepEqual(wrong, []);
});

test("the page's example and the examples that ship are sound", () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(referencePage())?.[1] ?? '';
  assert.deepEqual(resolveExperiment(example, '/x/a.sparring.yaml', noFiles).problems, []);
  for (const name of readdirSync(join(root, 'media/examples')).filter((it) => /\.sparring\.(yaml|json)$/.test(it))) {
    const file = join(root, 'media/examples', name);
    assert.deepEqual(resolveExperiment(readFileSync(file, 'utf8'), file).problems, [], name);
  }
});

test('the nearest name: spelling, other tools, abbreviations, few edits; nothing far-fetched', () => {
  const names = ['learningRate', 'epsilon', 'iterations', 'rank', 'rows'];
  for (const [typed, meant] of [
    ['learning-rate', 'learningRate'],
    ['lr', 'learningRate'],
    ['EPSILON', 'epsilon'],
    ['espilon', 'epsilon'],
    ['iteration', 'iterations'],
    ['eps', 'epsilon'],
    ['batch_size', 'rows'],
    ['banana', undefined],
    ['', undefined],
  ] as const)
    assert.equal(nearest(typed, names), meant, typed);
});
