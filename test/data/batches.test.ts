import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countSteps, effectiveShare, type PlanOptions, planBatches } from '../../src/data/batches';
import { experimentSchema } from '../../src/experiment/schema';

const options: PlanOptions = {
  seed: 5,
  steps: 40,
  accumulation: 2,
  rows: 8,
  share: 0.25,
  mix: 'random',
  adversarialRows: 7,
  utilityRows: 30,
};

test('a plan is a pure function of its options, and a longer one begins with the shorter', () => {
  assert.deepEqual(planBatches(options), planBatches(options));
  assert.deepEqual(planBatches({ ...options, steps: 90 }).slice(0, 80), planBatches(options));
  assert.notDeepEqual(planBatches({ ...options, seed: 6 }), planBatches(options));
});

test('every epoch shows every row once, in another order', () => {
  const rows = planBatches(options).flatMap((micro) => micro.adversarial);
  const [first, second] = [rows.slice(0, 7), rows.slice(7, 14)];
  for (const epoch of [first, second]) assert.deepEqual([...epoch].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.notDeepEqual(first, second);
});

test('random: each row is drawn; fixed: every micro-batch has the same mix', () => {
  const counts = planBatches(options).map((micro) => micro.adversarial.length);
  assert.ok(new Set(counts).size > 2);
  const mean = counts.reduce((sum, n) => sum + n, 0) / counts.length;
  assert.ok(Math.abs(mean - 2) < 0.5, `a mean of ${mean} adversarial rows, not 2`);
  for (const micro of planBatches({ ...options, mix: 'fixed' })) {
    assert.equal(micro.adversarial.length, 2);
    assert.equal(micro.utility.length, 6);
  }
});

test('where utility rows are missing or weigh nothing, all rows are adversarial', () => {
  assert.equal(effectiveShare(0.125, 0, 1), 1);
  assert.equal(effectiveShare(0.125, 10, 0), 1);
  assert.equal(effectiveShare(0.125, 10, 1), 0.125);
  assert.ok(planBatches({ ...options, share: 1, utilityRows: 0 }).every((micro) => micro.utility.length === 0));
});

test('steps: as asked, or so that the adversarial rows are seen as often as epochs says', () => {
  const { training } = experimentSchema.parse({
    model: 'm',
    method: { name: 'cat' },
    data: { adversarial: { file: 'f' } },
  });
  assert.equal(countSteps({ ...training, steps: 3 }, 0.125, 100, 100), 3);
  // 8 rows x 8 micro-batches x 0.125 = 8 adversarial rows a step
  assert.equal(countSteps(training, 0.125, 100, 100), Math.ceil((5 * 100) / 8));
  assert.equal(countSteps({ ...training, mix: 'fixed', rows: 4, accumulation: 1 }, 0.5, 100, 100), 250);
  assert.equal(countSteps(training, 0, 100, 128), 10);
});
