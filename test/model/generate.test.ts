import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { loadAdapter } from '../../src/model/adapter';
import { decode, embed, logits } from '../../src/model/decoder';
import { generate } from '../../src/model/generate';
import { freeAdapter, freeMerged, mergeAdapter } from '../../src/model/lora';
import type { Model } from '../../src/model/model';
import { openModel } from '../../src/model/openModel';
import { sample } from '../../src/model/sample';
import { assertBalanced } from '../../src/tensor/memory';
import { adapterFolder, golden, goldenModels, startTestEngine, tinyFolder } from './golden';

before(startTestEngine);

const lastLogits = (model: Model, ids: readonly number[], delta?: Float32Array) =>
  tf.tidy(() => {
    const rows = embed(model.weights, tf.tensor2d([...ids], [1, ids.length], 'int32'));
    const embeddings = delta
      ? tf.add(
          rows,
          tf.pad(tf.tensor(delta, [1, delta.length / 16, 16]), [
            [0, 0],
            [0, ids.length - delta.length / 16],
            [0, 0],
          ]),
        )
      : rows;
    const { hidden } = decode(model, model.weights, { embeddings: embeddings as tf.Tensor3D });
    return logits(model.config, model.weights, tf.reshape(hidden, [ids.length, -1]))
      .dataSync()
      .slice(-model.config.vocabularySize);
  });
/** Without a cache: the whole sequence again for every token. */
const uncached = (model: Model, prompt: readonly number[], count: number, delta?: Float32Array) => {
  const ids = [...prompt];
  for (let i = 0; i < count; i++) {
    const scores = lastLogits(model, ids, delta);
    ids.push(scores.indexOf(Math.max(...scores)));
  }
  return ids.slice(prompt.length);
};

for (const { name, folder, expected } of goldenModels)
  test(`greedy tokens are PyTorch's, in a batch, alone and without cache (${name})`, async () => {
    const model = await openModel(folder);
    const prompts = expected.greedy.map(({ prompt }) => prompt);
    const wanted = expected.greedy.map(({ ids }) => ids);
    const options = { maxNewTokens: 12, stopIds: [] };
    assert.deepEqual(await generate(model, { prompts, ...options }), wanted);
    for (const [i, prompt] of prompts.entries()) {
      assert.deepEqual(await generate(model, { prompts: [prompt], ...options }), [wanted[i]]);
      assert.deepEqual(uncached(model, prompt, 12), wanted[i]);
    }
    model.close();
  });

test("greedy tokens with an adapter are PyTorch's, separate and merged", async () => {
  const model = await openModel(tinyFolder);
  const adapter = loadAdapter(adapterFolder, model.config);
  const input = { prompts: [golden.tinyLlama.greedy[0]!.prompt], maxNewTokens: 12, stopIds: [] };
  assert.deepEqual(await generate(model, { ...input, adapter }), [golden.adapter.greedy]);
  const weights = mergeAdapter(model.config, model.weights, adapter);
  assert.deepEqual(await generate(model, { ...input, weights }), [golden.adapter.greedy]);
  freeMerged(weights, model.weights);
  freeAdapter(adapter);
  model.close();
});

test('rows that stop leave, the others go on as before; every token is told', async () => {
  const model = await openModel(tinyFolder);
  const prompts = golden.tinyLlama.greedy.map(({ prompt }) => prompt);
  const whole = golden.tinyLlama.greedy.map(({ ids }) => ids);
  const stop = whole[1]![3]!;
  const cut = whole.map((ids) => (ids.includes(stop) ? ids.slice(0, ids.indexOf(stop)) : ids));
  assert.ok(new Set(cut.map((ids) => ids.length)).size > 1, 'the rows stop at different places');
  const told: number[][] = prompts.map(() => []);
  const onToken = (row: number, id: number) => told[row]!.push(id);
  assert.deepEqual(await generate(model, { prompts, maxNewTokens: 12, stopIds: [stop], onToken }), cut);
  assert.deepEqual(
    told,
    whole.map((ids, i) => ids.slice(0, Math.min(12, cut[i]!.length + 1))),
  );
  assert.deepEqual(await generate(model, { prompts, maxNewTokens: 0 }), [[], [], []]);
  assert.deepEqual(await generate(model, { prompts: [], maxNewTokens: 5 }), []);
  model.close();
});

test('a delta moves its own prompt only', async () => {
  const model = await openModel(tinyFolder);
  const prompts = golden.tinyLlama.greedy.map(({ prompt }) => prompt);
  const delta = Float32Array.from({ length: prompts[1]!.length * 16 }, (_, i) => Math.sin(i));
  const found = await generate(model, { prompts, delta: [undefined, delta], maxNewTokens: 6, stopIds: [] });
  assert.deepEqual(found[0], golden.tinyLlama.greedy[0]!.ids.slice(0, 6));
  assert.notDeepEqual(found[1], golden.tinyLlama.greedy[1]!.ids.slice(0, 6));
  assert.deepEqual(found[1], uncached(model, prompts[1]!, 6, delta));
  await assert.rejects(generate(model, { prompts, delta: [delta], maxNewTokens: 1 }), /delta of row 0/);
  model.close();
});

test('sampling is given by its seed, row by row, and falls back to greedy as it cools', async () => {
  const model = await openModel(tinyFolder);
  const prompts = golden.tinyLlama.greedy.map(({ prompt }) => prompt);
  const draw = (seed: number, temperature = 1, topP = 1, some = prompts) =>
    generate(model, { prompts: some, maxNewTokens: 8, stopIds: [], temperature, topP, seed });
  const first = await draw(1);
  assert.deepEqual(await draw(1), first);
  assert.notDeepEqual(await draw(2), first);
  assert.deepEqual(await draw(1, 1, 1, prompts.slice(0, 1)), first.slice(0, 1));
  const greedy = golden.tinyLlama.greedy.map(({ ids }) => ids.slice(0, 8));
  assert.deepEqual(await draw(3, 1e-3), greedy);
  assert.deepEqual(await draw(3, 1, 1e-9), greedy);
  model.close();
});

test('sample draws in proportion, from the nucleus only', () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.2)]);
  const count = (topP: number) => {
    const counts = [0, 0, 0];
    for (let step = 0; step < 4000; step++) counts[sample(logits, { temperature: 1, topP }, 5, 0, step)]!++;
    return counts.map((n) => n / 4000);
  };
  const all = count(1);
  for (const [i, share] of [0.5, 0.3, 0.2].entries()) assert.ok(Math.abs(all[i]! - share) < 0.03);
  const nucleus = count(0.7);
  assert.ok(Math.abs(nucleus[0]! - 0.625) < 0.03);
  assert.equal(nucleus[2], 0);
});

test('generation leaves no tensor behind, even when it is broken off', async () => {
  const model = await openModel(tinyFolder);
  const prompts = golden.tinyLlama.greedy.map(({ prompt }) => prompt);
  await generate(model, { prompts, maxNewTokens: 4 });
  await assertBalanced(() => generate(model, { prompts, maxNewTokens: 12 }));
  const onToken = () => {
    throw new Error('enough');
  };
  await assertBalanced(() => assert.rejects(generate(model, { prompts, maxNewTokens: 4, onToken }), /enough/));
  model.close();
});
