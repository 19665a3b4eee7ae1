import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { logProbsOfTargets, rowMeans } from '../../src/attack/forward';
import { makeBatch } from '../../src/data/batch';
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
    const expected = row.ids.map((_id, t) => (t >= from && t < to ? 1 : 0));
    assert.deepEqual(Array.from(batch.perturb.dataSync()), expected);
    batch.close();
  }
});

test('delta moves onto the same tokens of both longer rows', () => {
  const moved = tf.tidy(() => Array.from(moveDelta(tf.tensor3d([1, 2, 3, 4], [2, 2, 1]), 3).dataSync()));
  assert.deepEqual(moved, [1, 2, 0, 3, 4, 0, 1, 2, 0, 3, 4, 0]);
});
