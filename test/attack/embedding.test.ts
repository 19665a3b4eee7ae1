import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { attackRadius, embeddingAttack, stepLength } from '../../src/attack/embedding';
import { meanEmbeddingNorm, type Target } from '../../src/attack/forward';
import { logProbsAt } from '../../src/attack/logProbsAt';
import { runAttack } from '../../src/attack/runAttack';
import { Random } from '../../src/base/random';
import { makeBatch } from '../../src/data/batch';
import type { AttackOptions } from '../../src/experiment/schema';
import { loadAdapter } from '../../src/model/adapter';
import { mergeAdapter } from '../../src/model/lora';
import { openModel } from '../../src/model/openModel';
import { tokenNorms } from '../../src/tensor/balls';
import { assertBalanced } from '../../src/tensor/memory';
import { adapterFolder, farthest, startTestEngine, tinyFolder } from '../model/golden';
import { attackDefaults, goldenPairs, goldenTraining } from './goldenTraining';

let target: Target;
before(async () => {
  await startTestEngine();
  const model = await openModel(tinyFolder);
  const weights = mergeAdapter(model.config, model.weights, loadAdapter(adapterFolder, model.config));
  target = { model, weights, embeddingNorm: await meanEmbeddingNorm(model.weights.embedding) };
});
after(() => tf.disposeVariables());

const rows = goldenPairs.map((pair) => pair.harmful);
const base: AttackOptions = {
  ...attackDefaults,
  epsilon: 0.1,
  iterations: 10,
  stepSize: 0.02,
  stepSizeUnit: 'absolute',
  optimizer: 'sign',
  perturb: 'all',
};

/** Runs an attack on the golden rows: delta per row as flat [prompt length, D], its losses, and the norm of each token's delta. */
async function attack(options: AttackOptions, seed = 1) {
  const batch = makeBatch(rows, options.perturb);
  const found = await runAttack(embeddingAttack, target, batch, options, new Random(seed, 'attack'));
  const logProbs = await logProbsAt(target, batch, found.delta);
  const size = target.model.config.hiddenSize;
  const values = found.delta.dataSync();
  const result = {
    delta: rows.map((row, b) =>
      Array.from(values.slice(b * batch.length * size, (b * batch.length + row.promptLength) * size)),
    ),
    all: Array.from(values),
    norms: Array.from(tf.tidy(() => tokenNorms(found.delta).dataSync())),
    before: found.lossBefore.dataSync()[0] as number,
    after: -tf.tidy(() => tf.mean(logProbs).dataSync()[0] as number),
    rowLosses: rows.map((_, b) => {
      const own = Array.from(logProbs.dataSync()).filter((_value, n) => batch.rowOf[n] === b);
      return -own.reduce((sum, value) => sum + value, 0) / own.length;
    }),
  };
  found.close();
  logProbs.dispose();
  batch.close();
  return result;
}

test('the mean norm of the embedding rows is PyTorch’s', () => {
  assert.ok(Math.abs(target.embeddingNorm - goldenTraining.embeddingNorm) < 1e-6);
});

for (const golden of goldenTraining.attack) {
  const { optimizer, perturb, iterations, stepSizeUnit, stepSize, epsilon } = golden.options;
  test(`delta is PyTorch's: ${optimizer}, ${perturb}, ${stepSize} ${stepSizeUnit}, epsilon ${epsilon}, ${iterations} iterations`, async () => {
    const options = { ...attackDefaults, ...golden.options };
    assert.ok(Math.abs(attackRadius(target, options) - golden.radius) < 1e-6);
    assert.ok(Math.abs(stepLength(target, options) - golden.step) < 1e-8);
    const found = await attack(options);
    // The others divide small gradients by their own size, which multiplies float32's rounding from one iteration to the next.
    const tolerance = optimizer === 'sign' ? 1e-6 : golden.radius * (iterations > 3 ? 2e-3 : 2e-4);
    golden.delta.forEach((expected, row) => {
      const distance = farthest(found.delta[row] ?? [], expected);
      assert.ok(distance <= tolerance, `row ${row} differs by ${distance}`);
    });
    assert.ok(Math.abs(found.before - (golden.losses[0] ?? 0)) < 2e-5);
  });
}

test('the loss at the end is below the loss at the start', async () => {
  const { before: from, after: to } = await attack(base);
  assert.ok(to < from - 0.5, `${from} -> ${to}`);
});

test('delta is 0 on targets and padding, and outside the user’s words where only these may move', async () => {
  for (const perturb of ['all', 'user'] as const) {
    const { norms } = await attack({ ...base, perturb, start: 'random' });
    const length = norms.length / rows.length;
    norms.forEach((norm, i) => {
      const row = rows[Math.floor(i / length)];
      const t = i % length;
      const moves = row && (perturb === 'all' ? t < row.promptLength : t >= row.userStart && t < row.userEnd);
      assert.equal(norm > 0, moves, `${perturb}: token ${t} of row ${Math.floor(i / length)} has norm ${norm}`);
    });
  }
});

test('a random start lies in the ball, follows the seed, and differs between seeds', async () => {
  const still: AttackOptions = { ...base, iterations: 1, stepSize: 1e-12, start: 'random' };
  const [a, again, other] = [await attack(still, 1), await attack(still, 1), await attack(still, 2)];
  assert.deepEqual(a.all, again.all);
  assert.notDeepEqual(a.all, other.all);
  const radius = attackRadius(target, still);
  assert.ok(Math.max(...a.norms) <= radius * (1 + 1e-5));
  assert.ok(Math.max(...a.norms) > radius / 2);
});

test('with no ball delta leaves it', async () => {
  const { norms } = await attack({ ...base, ball: 'none' });
  assert.ok(Math.max(...norms) > 2 * attackRadius(target, base));
});

test('keep: best gives each row its lowest loss, where the last step overshoots', async () => {
  const wild: AttackOptions = { ...base, epsilon: 1, stepSize: 0.4, iterations: 7 };
  const [last, best] = [await attack(wild), await attack({ ...wild, keep: 'best' })];
  best.rowLosses.forEach((loss, row) => {
    assert.ok(loss <= (last.rowLosses[row] ?? 0) + 1e-5, `row ${row}: ${loss} against ${last.rowLosses[row]}`);
  });
  assert.ok(best.after < last.after - 1e-3, 'this case does not overshoot, so it tests nothing');
});

test('an attack leaves no tensor behind, whatever its options', async () => {
  await attack(base);
  for (const optimizer of ['sign', 'adam', 'rms', 'normalized'] as const)
    for (const keep of ['last', 'best'] as const)
      await assertBalanced(() => attack({ ...base, optimizer, keep, iterations: 3 }));
});
