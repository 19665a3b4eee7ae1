import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningRate } from '../../src/run/learningRate';

test('cosine to 0 with a linear warm-up, as transformers has it', () => {
  const options = { learningRate: 1, schedule: 'cosine', warmupSteps: 2 } as const;
  const rates = Array.from({ length: 6 }, (_, step) => learningRate(options, step, 6));
  const cosine = [0, 1, 2, 3].map((k) => 0.5 * (1 + Math.cos((Math.PI * k) / 4)));
  assert.deepEqual(rates, [0, 0.5, ...cosine]);
  assert.deepEqual(
    [0, 5].map((step) => learningRate({ ...options, schedule: 'constant' }, step, 6)),
    [0, 1],
  );
});
