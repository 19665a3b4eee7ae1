import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { type CatLossOptions, catLoss, flattenBelow, negativeLog1MinusP } from '../../src/defense/cat';
import { sftLoss } from '../../src/defense/sft';
import { goldenTraining } from '../attack/goldenTraining';
import { startTestEngine } from '../model/golden';
import { assertClose } from '../tensor/close';

before(startTestEngine);

const { cat, capo } = goldenTraining;
const away = () => tf.tensor1d(capo.harmfulLogProbs.flat());
const toward = () => tf.tensor1d(capo.safeLogProbs.flat());
// The golden utility group is known by its mean alone; one token with that log-probability has the same cross-entropy.
const utility = () => tf.tensor1d([-cat.raw.utility]);

for (const { options, ...expected } of cat.cases) {
  const name = `away ${options.awayCutoff}, toward ${options.towardCutoff}, ${options.cutoffForm}, ${options.awayLoss}, weights ${options.awayWeight} ${options.towardWeight} ${options.utilityWeight}`;
  test(`CAT's terms are PyTorch's: ${name}`, async () => {
    const loss = catLoss({ away: away(), toward: toward(), utility: utility() }, options);
    await assertClose(loss.away, [expected.away], 5e-6);
    await assertClose(loss.toward, [expected.toward], 5e-6);
    await assertClose(loss.utility, [expected.utility], 5e-6);
    await assertClose(loss.total, [expected.total], 5e-6);
    await assertClose(loss.rawAway, [cat.raw.away], 5e-6);
    await assertClose(loss.rawToward, [cat.raw.toward], 5e-6);
  });
}

const options = cat.cases[0]?.options as CatLossOptions;

test('a micro-batch without adversarial rows has the utility term alone, one without utility rows the others', async () => {
  const alone = catLoss({ utility: utility() }, options);
  assert.deepEqual(Object.keys(alone).sort(), ['total', 'utility']);
  await assertClose(alone.total, [options.utilityWeight * cat.raw.utility], 5e-6);
  const others = catLoss({ away: away(), toward: toward() }, options);
  assert.equal(others.utility, undefined);
});

test('both forms of the cutoff: the value, the gradient and what happens at the edge', () => {
  const slope = (x: number, form: 'code' | 'paper') => {
    const { value, grad } = tf.valueAndGrad((loss) => flattenBelow(loss as tf.Scalar, -5, form))(tf.scalar(x));
    return [value.dataSync()[0], grad.dataSync()[0]] as [number, number];
  };
  for (const form of ['code', 'paper'] as const) {
    assert.deepEqual(slope(-4, form), [-4, 1]);
    assert.deepEqual(slope(-5, form), [-5, 1], 'at the cutoff itself the loss still counts');
    const [value, gradient] = slope(-8, form);
    assert.ok(Math.abs(value - (form === 'code' ? -5.008 : -5.003)) < 1e-5, `${form}: ${value}`);
    assert.ok(Math.abs(gradient - 0.001) < 1e-8);
  }
});

test('log1MinusP stays finite for a certain token, value and gradient', () => {
  const { value, grad } = tf.valueAndGrad((x) => negativeLog1MinusP(x as tf.Tensor1D))(tf.tensor1d([0, -1e-9, -30]));
  assert.ok([...value.dataSync(), ...grad.dataSync()].every(Number.isFinite));
});

test('the control has the losses of CAT', async () => {
  const group = { away: away(), toward: toward(), utility: utility() };
  await assertClose(sftLoss(group, options).total, Array.from(catLoss(group, options).total.dataSync()), 1e-7);
});
