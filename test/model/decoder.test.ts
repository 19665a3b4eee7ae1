import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { emptyCache } from '../../src/model/cache';
import { decode, embed, logits } from '../../src/model/decoder';
import type { Model } from '../../src/model/model';
import { openModel } from '../../src/model/openModel';
import { targetLogProbs } from '../../src/tensor/losses';
import { assertBalanced } from '../../src/tensor/memory';
import { farthest, goldenModels, largest, startTestEngine } from './golden';

before(startTestEngine);

/** Rows padded on the right by id 0. */
const padded = (rows: readonly number[][]) => {
  const length = Math.max(...rows.map((row) => row.length));
  const ids = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(0)]);
  return tf.tensor2d(ids, [rows.length, length], 'int32');
};
const allLogits = (model: Model, ids: tf.Tensor2D) =>
  tf.tidy(() => {
    const { hidden } = decode(model, model.weights, { embeddings: embed(model.weights, ids) });
    return logits(model.config, model.weights, tf.reshape(hidden, [-1, model.config.hiddenSize]));
  });

for (const { name, folder, expected } of goldenModels) {
  test(`logits are PyTorch's, padded or alone (${name})`, async () => {
    const model = await openModel(folder);
    const size = model.config.vocabularySize;
    const together = allLogits(model, padded(expected.rows)).dataSync();
    const width = Math.max(...expected.rows.map((row) => row.length));
    expected.rows.forEach((row, i) => {
      const inBatch = together.slice(i * width * size, (i * width + row.length) * size);
      const alone = allLogits(model, padded([row])).dataSync();
      assert.ok(farthest(inBatch, expected.logits[i]!) < 1e-4);
      assert.ok(farthest(alone, inBatch) < 1e-5);
    });
    model.close();
  });

  test(`log-probabilities of targets and the gradient with respect to embeddings are PyTorch's (${name})`, async () => {
    const model = await openModel(folder);
    const { rows, targetStarts } = expected;
    const width = Math.max(...rows.map((row) => row.length));
    const places = rows.flatMap((row, i) =>
      row.slice(targetStarts[i]!).map((_, j) => i * width + targetStarts[i]! + j - 1),
    );
    const targets = rows.flatMap((row, i) => row.slice(targetStarts[i]!));
    const loss = (embeddings: tf.Tensor) => {
      const select = tf.tensor1d(places, 'int32');
      const { hidden } = decode(model, model.weights, { embeddings: embeddings as tf.Tensor3D, select });
      assert.deepEqual(hidden.shape, [1, places.length, model.config.hiddenSize]);
      const chosen = logits(model.config, model.weights, tf.reshape(hidden, [places.length, -1]));
      return targetLogProbs(chosen, tf.tensor1d(targets, 'int32'));
    };
    const embeddings = embed(model.weights, padded(rows));
    assert.ok(farthest(tf.tidy(() => loss(embeddings)).dataSync(), expected.targetLogProbs) < 1e-5);
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => tf.neg(tf.mean(loss(x))) as tf.Scalar)(embeddings);
    assert.ok(Math.abs(value.dataSync()[0]! - expected.meanTargetLoss) < 1e-5);
    const gradient = grad.dataSync();
    const most = largest(expected.embeddingGradient.flat());
    const d = model.config.hiddenSize;
    rows.forEach((row, i) => {
      const found = gradient.slice(i * width * d, (i * width + row.length) * d);
      assert.ok(farthest(found, expected.embeddingGradient[i]!) < 1e-4 * most);
      assert.equal(largest([0, ...gradient.slice((i * width + row.length) * d, (i + 1) * width * d)]), 0);
    });
    model.close();
  });

  test(`token by token with a cache gives what one pass gives (${name})`, async () => {
    const model = await openModel(folder);
    const [row] = expected.rows as [number[]];
    const size = model.config.vocabularySize;
    const found = tf.tidy(() => {
      let cache = emptyCache();
      const parts: tf.Tensor2D[] = [];
      // Three tokens at first, then two, then one by one.
      for (const [from, to] of [[0, 3], [3, 5], ...row.slice(5).map((_, i) => [i + 5, i + 6])] as [number, number][]) {
        const embeddings = embed(model.weights, padded([row.slice(from, to)]));
        const next = decode(model, model.weights, { embeddings, cache });
        assert.ok(next.cache);
        cache = next.cache;
        parts.push(logits(model.config, model.weights, tf.reshape(next.hidden, [-1, model.config.hiddenSize])));
      }
      return tf.concat(parts).dataSync();
    });
    assert.equal(found.length, row.length * size);
    assert.ok(farthest(found, expected.logits[0]!) < 1e-4);
    assert.ok(farthest(found, allLogits(model, padded([row])).dataSync()) < 1e-5);
    model.close();
  });
}

test('selected places have the same hidden states as without selecting', async () => {
  const model = await openModel(goldenModels[0]!.folder);
  tf.tidy(() => {
    const embeddings = embed(
      model.weights,
      padded([
        [5, 6, 7],
        [8, 9, 10],
      ]),
    );
    const places = tf.tensor1d([5, 0, 2, 2], 'int32');
    const all = decode(model, model.weights, { embeddings }).hidden;
    const { hidden } = decode(model, model.weights, { embeddings, select: places });
    const expected = tf.gather(tf.reshape(all, [6, -1]), places).dataSync();
    assert.ok(farthest(hidden.dataSync(), expected) < 1e-6);
  });
  model.close();
});

test('the gradient with respect to the embedding table adds equal ids up', async () => {
  const table = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
  const ids = tf.tensor2d([2, 0, 2, 2], [2, 2], 'int32');
  const weight = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
  const gradient = tf.grad((t) => tf.sum(tf.mul(embed({ embedding: t as tf.Tensor2D }, ids), weight)))(table);
  assert.deepEqual(Array.from(gradient.dataSync()), [3, 4, 0, 0, 13, 16]);
});

test('a forward pass and a gradient leave no tensor behind', async () => {
  const model = await openModel(goldenModels[0]!.folder);
  const ids = padded([[1, 2, 3, 4]]);
  allLogits(model, ids).dispose(); // makes the constants of this shape
  await assertBalanced(() => {
    allLogits(model, ids).dispose();
    const gradient = tf.tidy(() => {
      const pass = (x: tf.Tensor) => tf.sum(decode(model, model.weights, { embeddings: x as tf.Tensor3D }).hidden);
      return tf.grad(pass)(embed(model.weights, ids));
    });
    gradient.dispose();
  });
  model.close();
});

test('batches of ever new lengths do not free what every length uses', async () => {
  const model = await openModel(goldenModels[0]!.folder);
  const row = goldenModels[0]!.expected.rows[0]!;
  const first = allLogits(model, padded([row])).dataSync();
  for (let length = 1; length <= 100; length++) allLogits(model, tf.zeros([1, length], 'int32')).dispose();
  assert.deepEqual(allLogits(model, padded([row])).dataSync(), first);
  model.close();
});
