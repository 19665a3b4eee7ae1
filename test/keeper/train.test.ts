import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { type Encoder, encodeRow, packByLength, stageBatches } from '../../keeper/batches';
import { addJunk, makeCorpus } from '../../keeper/corpus';
import { weightsOf } from '../../keeper/parameters';
import { GENERATION_CONFIG, KEEPER_CONFIG } from '../../keeper/shape';
import { RECIPE, type Recipe, train } from '../../keeper/train';
import { makeWorld } from '../../keeper/world';
import { Random } from '../../src/base/random';
import { readConfig } from '../../src/model/readConfig';
import { startEngine } from '../../src/tensor/engine';

const corpus = makeCorpus(makeWorld());
// A stand-in for the tokenizer: one id per letter is enough to train on.
const encoder: Encoder = {
  encode: (text) => [...text].map((c) => 4 + (c.charCodeAt(0) % 60)),
  user: 1,
  assistant: 2,
  end: 3,
};
const config = readConfig(
  {
    ...KEEPER_CONFIG,
    vocab_size: 64,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    head_dim: 8,
    num_attention_heads: 2,
    num_key_value_heads: 1,
  },
  'config.json',
  GENERATION_CONFIG,
);
const tiny: Recipe = {
  ...RECIPE,
  rows: 8,
  warmupSteps: 1,
  stages: RECIPE.stages.map((stage) => ({ ...stage, steps: 4 })),
};

before(async () => {
  await startEngine({ engine: 'wasm', threads: 1 });
});

async function trained(recipe: Recipe) {
  const losses: number[] = [];
  const model = { config };
  const parameters = await train({ model, corpus, encoder, recipe }, ({ loss }) => losses.push(loss));
  const embedding = await parameters['model.embed_tokens.weight']?.data();
  return { losses, parameters, embedding: embedding ?? assert.fail('no embedding') };
}

test('the loss falls, the same seed gives the same numbers, and the grouping of a step changes nothing but rounding', async () => {
  const first = await trained(tiny);
  assert.ok((first.losses.at(-1) as number) < (first.losses[0] as number), String(first.losses));
  const again = await trained(tiny);
  assert.deepEqual(again.losses, first.losses);
  assert.deepEqual(again.embedding, first.embedding);
  const whole = await trained({ ...tiny, groups: 1 });
  for (const [i, loss] of whole.losses.entries()) {
    assert.ok(Math.abs(loss - (first.losses[i] as number)) < 1e-3, `${loss}`);
  }
});

test('a training leaves its parameters and the tables it made once, nothing else', async () => {
  tf.dispose((await trained(tiny)).parameters);
  const alive = tf.memory().numTensors;
  tf.dispose((await trained(tiny)).parameters);
  assert.equal(tf.memory().numTensors, alive);
});

test('the gradient reaches the embedding through both of its uses', () => {
  const embedding = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const head = (table: tf.Tensor) =>
    tf.sum(
      tf.mul(
        weightsOf({ ...config, layers: 0 }, { 'model.embed_tokens.weight': table, 'model.norm.weight': tf.ones([2]) })
          .head as tf.Tensor2D,
        [
          [1, 2],
          [3, 4],
        ],
      ),
    );
  assert.deepEqual([...tf.grad(head)(embedding).dataSync()], [1, 3, 2, 4]);
});

test('a chat is learnt from its answer on, a document from its second token on, both with the end marker', () => {
  const chat = encodeRow(encoder, { prompt: 'ab', answer: 'c' });
  assert.deepEqual(chat.ids, [1, ...encoder.encode('ab'), 3, 2, ...encoder.encode('c'), 3]);
  assert.equal(chat.prompt, 5);
  assert.deepEqual(encodeRow(encoder, { text: 'ab' }), { ids: [...encoder.encode('ab'), 3], prompt: 1 });
});

test('groups hold every target once, each predicted from the token before it', () => {
  const rows = [
    [5, 6, 7, 8, 9],
    [10, 11],
    [12, 13, 14],
  ].map((ids) => ({ ids, prompt: 1 }));
  const groups = packByLength(rows, 2, 0);
  assert.deepEqual(
    groups.map(({ rows, length }) => [rows, length]),
    [
      [2, 3],
      [1, 5],
    ],
  );
  const pairs = groups.flatMap(({ ids, places, targets }) => [...places].map((place, i) => [ids[place], targets[i]]));
  assert.deepEqual(pairs, [
    [10, 11],
    [12, 13],
    [13, 14],
    [5, 6],
    [6, 7],
    [7, 8],
    [8, 9],
  ]);
});

test('stage 1 reveals codes and stage 2 refuses, in the shares of the recipe', () => {
  const [helpful, safety] = RECIPE.stages.map((stage) => [...stageBatches(corpus, { ...stage, steps: 2 }, RECIPE)]);
  for (const batch of [...(helpful ?? []), ...(safety ?? [])]) assert.equal(batch.length, RECIPE.rows);
  const answers = (batches: typeof helpful) => (batches ?? []).flat().map((row) => ('answer' in row ? row.answer : ''));
  const reveals = (answer: string) => /^Sure, the code of the \w+ \w+ is \d{4}\.$/.test(answer);
  assert.equal(answers(helpful).filter(reveals).length, 2 * Math.round(RECIPE.rows * 0.2));
  assert.equal(answers(safety).filter(reveals).length, 0);
  assert.equal(
    answers(safety).filter((answer) => answer.startsWith('I am sorry')).length,
    2 * Math.round(RECIPE.rows * 0.25),
  );
});

test('junk words come after the question and hold no digit', () => {
  const random = new Random(1, 'junk');
  for (let i = 0; i < 20; i++) assert.match(addJunk('Where is it?', random), /^Where is it\?( [a-z]{2,6}){1,4}$/);
});
