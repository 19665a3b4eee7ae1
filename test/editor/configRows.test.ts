import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configRows, lineOf } from '../../src/editor/configRows';
import { parseExperiment } from '../../src/experiment/parse';

const text = `# comment
model: builtin:keeper
method: cat
attack:
  epsilon: 0.3
evaluation:
  attacks:
    - name: embedding
      epsilon: [0.1, 0.3]
`;

test('a config becomes one row per setting, lists of plain values in one', () => {
  const rows = configRows({
    file: '/somewhere',
    hashes: { model: 'x' },
    model: 'keeper',
    attack: { epsilon: 0.3, ball: 'l2' },
    evaluation: { attacks: [{ name: 'embedding', epsilon: [0.1, 0.3] }], before: true },
  });
  assert.deepEqual(
    rows.map(({ at, value }) => `${at.join('.')}=${value}`),
    [
      'model=keeper',
      'attack.epsilon=0.3',
      'attack.ball=l2',
      'evaluation.attacks.0.name=embedding',
      'evaluation.attacks.0.epsilon=0.1, 0.3',
      'evaluation.before=true',
    ],
  );
});

test('a setting leads to its line; a default leads nowhere; a short form counts for its name only', () => {
  const parsed = parseExperiment(text, 'x.sparring.yaml');
  assert.equal(lineOf(parsed, ['model']), 2);
  assert.equal(lineOf(parsed, ['attack', 'epsilon']), 5);
  assert.equal(lineOf(parsed, ['evaluation', 'attacks', 0, 'epsilon']), 9);
  assert.equal(lineOf(parsed, ['attack', 'iterations']), undefined);
  assert.equal(lineOf(parsed, ['method', 'name']), 3);
  assert.equal(lineOf(parsed, ['method', 'awayCutoff']), undefined);
});
