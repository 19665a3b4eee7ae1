import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { capoLoss, cutHarmful, cutSafe } from '../../src/defense/capo';
import { orderReferences } from '../../src/defense/reference';
import { goldenTraining } from '../attack/goldenTraining';
import { startTestEngine } from '../model/golden';
import { assertClose } from '../tensor/close';

before(startTestEngine);

const { capo } = goldenTraining;

/** [B, N]: each row's mean over its own tokens. */
function rowMean(rows: readonly (readonly number[])[]): tf.Tensor2D {
  const width = rows.flat().length;
  let start = 0;
  const values = rows.map((row) => {
    const line = new Array<number>(width).fill(0).fill(1 / row.length, start, start + row.length);
    start += row.length;
    return line;
  });
  return tf.tensor2d(values);
}

const pairs = (prompts: 'clean' | 'attacked', order: 'matched' | 'reversed') => ({
  harmful: tf.tensor1d(capo.harmfulLogProbs.flat()),
  safe: tf.tensor1d(capo.safeLogProbs.flat()),
  harmfulMean: rowMean(capo.harmfulLogProbs),
  safeMean: rowMean(capo.safeLogProbs),
  harmfulReference: tf.tensor1d([...orderReferences(capo.references[prompts].harmful, order)]),
  safeReference: tf.tensor1d([...orderReferences(capo.references[prompts].safe, order)]),
});

for (const { options, h, ipo } of capo.cases) {
  const name = `away ${options.awayCutoff}, toward ${options.towardCutoff}, ${options.outside}, ${options.referencePrompts}, ${options.referenceOrder}`;
  test(`CAPO's loss is PyTorch's: ${name}`, async () => {
    const loss = capoLoss({ pairs: pairs(options.referencePrompts, options.referenceOrder) }, options);
    await assertClose(loss.ipo, [ipo], 5e-6);
    await assertClose(loss.total, [ipo], 5e-6);
    await assertClose(loss.margin, [h.reduce((sum, value) => sum + value, 0) / h.length], 5e-6);
  });
}

const options = { beta: 0.25, awayCutoff: -5, towardCutoff: 0, outside: 'zero', utilityWeight: 0.5 } as const;

test('utility joins with its weight, and stands alone without adversarial rows', async () => {
  const utility = tf.tensor1d([-1, -3]);
  await assertClose(capoLoss({ utility }, options).total, [1]);
  const loss = capoLoss({ pairs: pairs('clean', 'matched'), utility }, options);
  await assertClose(loss.total, [(loss.ipo?.dataSync()[0] ?? 0) + 1]);
});

test('beyond a cutoff a token counts as 0 or as the cutoff and has no gradient', async () => {
  const harmful = tf.tensor1d([-7, -5, -1]);
  await assertClose(cutHarmful(harmful, -5, 'zero'), [0, -5, -1]);
  await assertClose(cutHarmful(harmful, -5, 'clamp'), [-5, -5, -1]);
  const safe = tf.tensor1d([-0.1, -0.5, -2]);
  await assertClose(cutSafe(safe, 0.5, 'zero'), [0, -0.5, -2]);
  await assertClose(cutSafe(safe, 0.5, 'clamp'), [-0.5, -0.5, -2]);
  await assertClose(cutSafe(safe, 0, 'zero'), [-0.1, -0.5, -2]);
  for (const outside of ['zero', 'clamp'] as const) {
    await assertClose(tf.grad((x) => tf.sum(cutHarmful(x as tf.Tensor1D, -5, outside)))(harmful), [0, 1, 1]);
    await assertClose(tf.grad((x) => tf.sum(cutSafe(x as tf.Tensor1D, 0.5, outside)))(safe), [0, 1, 1]);
  }
});

test('references are the row’s own, or in reverse as the released code pairs them', () => {
  assert.deepEqual(orderReferences([1, 2, 3], 'matched'), [1, 2, 3]);
  assert.deepEqual(orderReferences([1, 2, 3], 'reversed'), [3, 2, 1]);
});
