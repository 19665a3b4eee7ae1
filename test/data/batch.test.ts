import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { logProbsOfTargets, rowMeans } from '../../src/attack/forward';
import { makeBatch, packPairs } from '../../src/data/batch';
import { encodeChat, encodeOpening, encodePrompt, encodeText } from '../../src/data/encode';
import { embed } from '../../src/model/decoder';
import type { Model } from '../../src/model/model';
import { openModel } from '../../src/model/openModel';
import { moveDelta } from '../../src/run/microBatch';
import { farthest, startTestEngine, tinyFolder } from '../model/golden';

let model: Model;
before(async () => {
  await startTestEngine();
  model = await openModel(tinyFolder);
});

const text = (ids: readonly number[]) => model.tokenizer.decode(ids, { keepSpecial: true });

test('a chat row is prompt, answer and end marker, with the exact place of the user’s words', () => {
  const row = encodeChat(model, 'What is it?', 'It is.', { system: 'You' });
  assert.ok(row);
  assert.equal(text(row.ids), '<|begin|><|system|>You<|end|><|user|>What is it?<|end|><|assistant|>It is.<|end|>');
  assert.equal(text(row.ids.slice(row.promptLength)), 'It is.<|end|>');
  assert.equal(text(row.ids.slice(row.userStart, row.userEnd)), 'What is it?');
});

test('an opening has no end marker; raw text is all targets but its first token', () => {
  const opening = encodeOpening(model, 'What?', 'It is');
  assert.equal(text(opening?.ids.slice(opening.promptLength) ?? []), 'It is');
  const raw = encodeText(model, 'It is the gate');
  assert.equal(raw?.promptLength, 1);
  assert.ok((raw?.ids.length ?? 0) > 2);
});

test('the cut at maxLength takes targets away, and undefined says that none is left', () => {
  const whole = encodeChat(model, 'What is it?', 'It is the gate.');
  assert.ok(whole);
  const cut = encodeChat(model, 'What is it?', 'It is the gate.', { maxLength: whole.promptLength + 2 });
  assert.deepEqual(cut?.ids, whole.ids.slice(0, whole.promptLength + 2));
  assert.equal(encodeChat(model, 'What is it?', 'It is the gate.', { maxLength: whole.promptLength }), undefined);
});

test('a prompt of the evaluation is a chat, a chat with prefilled words, or raw text', () => {
  assert.equal(text(encodePrompt(model, { prompt: 'What?' })), '<|begin|><|user|>What?<|end|><|assistant|>');
  assert.equal(
    text(encodePrompt(model, { prompt: 'What?', prefill: 'It is' })),
    '<|begin|><|user|>What?<|end|><|assistant|>It is',
  );
  assert.match(text(encodePrompt(model, { text: 'It is the' })), /It is the$/);
});

test('a padded batch gives each row the log-probabilities it has alone, and its mean', () => {
  const rows = ['It is the gate of iron.', 'No.', 'It is.'].map(
    (answer) => encodeChat(model, 'What is it?', answer) ?? assert.fail(),
  );
  const compute = (list: typeof rows) => {
    const batch = makeBatch(list);
    const values = tf.tidy(() => {
      const logProbs = logProbsOfTargets({ model, weights: model.weights }, batch, embed(model.weights, batch.ids));
      return { logProbs: logProbs.dataSync(), means: rowMeans(batch, logProbs).dataSync() };
    });
    batch.close();
    return values;
  };
  const together = compute(rows);
  const alone = rows.map((row) => compute([row]));
  assert.ok(
    farthest(
      together.logProbs,
      alone.flatMap(({ logProbs }) => Array.from(logProbs)),
    ) < 2e-5,
  );
  assert.ok(
    farthest(
      together.means,
      alone.flatMap(({ means }) => Array.from(means)),
    ) < 2e-5,
  );
});

test('delta may move all tokens before the targets, or the user’s words alone', () => {
  const row = encodeChat(model, 'What is it?', 'It is.') ?? assert.fail();
  for (const perturb of ['all', 'user'] as const) {
    const batch = makeBatch([row], perturb);
    const [from, to] = perturb === 'all' ? [0, row.promptLength] : [row.userStart, row.userEnd];
    // The last token is a target and no input.
    const expected = row.ids.slice(0, -1).map((_id, t) => (t >= from && t < to ? 1 : 0));
    assert.deepEqual(Array.from(batch.perturb.dataSync()), expected);
    batch.close();
  }
});

test('delta moves onto the same tokens of both longer rows', () => {
  const moved = tf.tidy(() =>
    Array.from(moveDelta(tf.tensor3d([1, 2, 3, 4], [2, 2, 1]), { rows: 4, length: 3 }).dataSync()),
  );
  assert.deepEqual(moved, [1, 2, 0, 3, 4, 0, 1, 2, 0, 3, 4, 0]);
  const once = tf.tidy(() =>
    Array.from(moveDelta(tf.tensor3d([1, 2, 3, 4], [2, 2, 1]), { rows: 2, length: 3 }).dataSync()),
  );
  assert.deepEqual(once, [1, 2, 0, 3, 4, 0]);
});

test('two answers behind one prompt have the log-probabilities and gradients that they have in rows of their own', () => {
  const pairs = [
    ['What is it?', 'It is the gate of iron.', 'No.'],
    ['Who?', 'I.', 'It is the gate.'],
    ['What is the gate?', 'It is.', 'It is.'],
  ].map(([prompt, harmful, safe]) => ({
    harmful: encodeChat(model, prompt as string, harmful as string) ?? assert.fail(),
    safe: encodeChat(model, prompt as string, safe as string) ?? assert.fail(),
  }));
  const shared = packPairs(pairs);
  const apart = makeBatch([...pairs.map((pair) => pair.harmful), ...pairs.map((pair) => pair.safe)]);
  assert.deepEqual([...shared.targetIds.dataSync()], [...apart.targetIds.dataSync()]);
  assert.ok(shared.length < apart.length + 7);
  const results = [shared, apart].map((batch) =>
    tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((delta) => {
        const moved = moveDelta(delta as tf.Tensor3D, batch);
        const embeddings = tf.add(embed(model.weights, batch.ids), moved) as tf.Tensor3D;
        const values = logProbsOfTargets({ model, weights: model.weights }, batch, embeddings);
        return tf.sum(tf.mul(values, tf.range(1, batch.targets + 1, 1))) as tf.Scalar;
      })(tf.zeros([3, 4, model.config.hiddenSize]));
      const embeddings = embed(model.weights, batch.ids);
      const values = logProbsOfTargets({ model, weights: model.weights }, batch, embeddings);
      return [values, grad, value].map((tensor) => tensor.dataSync());
    }),
  );
  const [together, alone] = results as [Float32Array[], Float32Array[]];
  assert.ok(farthest(together[0] ?? [], alone[0] ?? []) < 2e-5);
  assert.ok(farthest(together[1] ?? [], alone[1] ?? []) < 2e-3, `${farthest(together[1] ?? [], alone[1] ?? [])}`);
  shared.close();
  apart.close();
});
