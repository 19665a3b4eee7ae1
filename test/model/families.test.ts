import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { embeddingAttack } from '../../src/attack/embedding';
import { meanEmbeddingNorm } from '../../src/attack/forward';
import { logProbsAt } from '../../src/attack/logProbsAt';
import { runAttack } from '../../src/attack/runAttack';
import { Random } from '../../src/base/random';
import { makeBatch } from '../../src/data/batch';
import { batchSize } from '../../src/data/batchSizes';
import { encodeAdapter, loadAdapter, saveAdapter } from '../../src/model/adapter';
import { decode, embed, logits } from '../../src/model/decoder';
import { families } from '../../src/model/family';
import { dependsOnLength } from '../../src/model/frequencies';
import { generate } from '../../src/model/generate';
import {
  type AdapterRun,
  adapterParameters,
  freeAdapter,
  freeMerged,
  mergeAdapter,
  withParameters,
} from '../../src/model/lora';
import type { Model, Weights } from '../../src/model/model';
import { openModel } from '../../src/model/openModel';
import { decodeSafetensors } from '../../src/model/safetensors';
import { transpose } from '../../src/model/weights';
import { jitCounts } from '../../src/tensor/jit';
import { targetLogProbs } from '../../src/tensor/losses';
import { attackDefaults } from '../attack/goldenTraining';
import { temporaryFolder } from '../temporaryFolder';
import { forEachEngine } from '../tensor/engines';
import { tidyAsync } from '../tensor/tidyAsync';
import { type FamilyCase, familyCases, familyGolden } from './familyGolden';
import { farthest, largest } from './golden';

// test/golden/makeFamilies.py made every number and says what it is.

const { rows, targetStarts } = familyGolden;
const width = Math.max(...rows.map((row) => row.length));
const ids = () =>
  tf.tensor2d(
    rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(0)]),
    [rows.length, width],
    'int32',
  );
/** The rows' own values of a padded [B * width, size] list, one row after another. */
const own = (values: Float32Array | Int32Array | Uint8Array, size: number): number[] =>
  rows.flatMap((row, i) => Array.from(values.slice(i * width * size, (i * width + row.length) * size)));

const allLogits = async (model: Model, weights: Weights = model.weights, run?: AdapterRun): Promise<number[]> => {
  const { config } = model;
  const all = await tidyAsync(async () => {
    const { hidden } = decode(model, weights, { embeddings: embed(weights, ids()) }, run);
    const all = logits(config, weights, tf.reshape(hidden, [-1, config.hiddenSize]));
    return (await all.data()) as Float32Array;
  });
  return own(all, config.vocabularySize);
};
/** Log-probabilities of every row's targets. `recompute`: with gradients that compute the blocks anew. */
const logProbs = (model: Model, embeddings: tf.Tensor3D, recompute = false, run?: AdapterRun): tf.Tensor1D => {
  const targets = rows.flatMap((row, i) => row.slice(targetStarts[i]));
  const places = rows.flatMap((row, i) =>
    row.slice(targetStarts[i]).map((_, j) => i * width + (targetStarts[i] as number) + j - 1),
  );
  const select = tf.tensor1d(places, 'int32');
  const { hidden } = decode(model, model.weights, { embeddings, select, recompute }, run);
  const chosen = logits(model.config, model.weights, tf.reshape(hidden, [places.length, -1]));
  return targetLogProbs(chosen, tf.tensor1d(targets, 'int32'));
};
const meanLoss = (values: tf.Tensor): tf.Scalar => tf.neg(tf.mean(values)) as tf.Scalar;
const near = (found: ArrayLike<number>, expected: ArrayLike<number>, most: number, what: string) => {
  const distance = farthest(found, expected);
  assert.ok(distance < most, `${what}: ${distance}, allowed ${most}`);
};

test('every family of the table has a golden case', () => {
  assert.deepEqual(
    new Set(Object.values(familyCases).map(({ modelType }) => modelType)),
    new Set(Object.keys(families)),
  );
});

forEachEngine((check) => {
  for (const [name, one] of Object.entries(familyCases)) checkFamily(name, one, check);
  check('whatever family it is, its attack and its tokens are compiled where calls are', () => {
    assert.deepEqual(jitCounts().refused, []);
  });
});

function checkFamily(
  name: string,
  { folder, expected, golden }: FamilyCase,
  check: (name: string, fn: () => Promise<void>) => void,
) {
  let model: Model;
  const opened = async () => (model ??= await openModel(folder()));
  after(() => model?.close());

  check(`${name}: logits, target losses and gradients of embeddings are PyTorch's`, async () => {
    const model = await opened();
    near(await allLogits(model), expected('logits'), 1e-4, 'logits');
    const embeddings = embed(model.weights, ids());
    const found = await tidyAsync(() => logProbs(model, embeddings).data());
    near(found, expected('targetLogProbs'), 1e-4, 'log-probabilities');
    const loss = (values: ArrayLike<number>) => -Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    near([loss(found)], [loss(expected('targetLogProbs'))], 1e-5, 'cross-entropy');
    const wanted = expected('embeddingGradient');
    for (const recompute of [false, true]) {
      const gradient = await tidyAsync(() =>
        tf
          .grad((x) => meanLoss(logProbs(model, x as tf.Tensor3D, recompute)))(embeddings)
          .data(),
      );
      near(own(gradient, model.config.hiddenSize), wanted, 1e-4 * largest(wanted), 'gradient');
    }
    embeddings.dispose();
  });

  check(
    `${name}: with PEFT's adapter, logits and gradients of its factors, and the file it is written to again`,
    async () => {
      const model = await opened();
      const adapter = loadAdapter(join(folder(), 'adapter'), model.config);
      near(await allLogits(model, model.weights, { adapter }), expected('adapted'), 1e-4, 'separate');
      const merged = mergeAdapter(model.config, model.weights, adapter);
      near(await allLogits(model, merged), expected('adapted'), 1e-4, 'merged');
      freeMerged(merged, model.weights);
      const parameters = adapterParameters(adapter);
      const names = Object.keys(parameters);
      const embeddings = embed(model.weights, ids());
      for (const recompute of [false, true]) {
        const gradients = tf.grads((...values: tf.Tensor[]) => {
          const changed = withParameters(
            adapter,
            Object.fromEntries(names.map((one, i) => [one, values[i] as tf.Tensor])),
          );
          return meanLoss(logProbs(model, embeddings, recompute, { adapter: changed }));
        })(Object.values(parameters));
        for (const [i, gradient] of gradients.entries()) {
          const [, module, factor] = /^base_model\.model\.(.*)\.lora_([AB])\.weight$/.exec(names[i] as string) ?? [];
          const wanted = expected(`gradient ${module} ${factor}`);
          const [from, to] = gradient.shape as [number, number];
          const turned = transpose((await gradient.data()) as Float32Array, from, to);
          near(turned, wanted, 1e-4 * largest(wanted), `${module} ${factor}`);
        }
        tf.dispose(gradients);
      }
      // PEFT's file, read and written again, has the same names, shapes and bits.
      const written = await encodeAdapter(adapter);
      assert.deepEqual(decodeSafetensors(written), decodeSafetensors(golden.adapterBytes()));
      const again = temporaryFolder();
      await saveAdapter(again, adapter, { config: model.config, baseModel: name });
      const second = loadAdapter(again, model.config);
      assert.deepEqual(await encodeAdapter(second), written);
      assert.deepEqual(
        Object.values(second.factors).map(({ scale }) => scale),
        Object.values(adapter.factors).map(({ scale }) => scale),
      );
      freeAdapter(adapter);
      freeAdapter(second);
      embeddings.dispose();
    },
  );

  const encoded = rows.map((row, i) => {
    const start = targetStarts[i] as number;
    return { ids: row, promptLength: start, userStart: 0, userEnd: start };
  });

  check(`${name}: the sign attack's delta is PyTorch's`, async () => {
    const model = await opened();
    const adapter = loadAdapter(join(folder(), 'adapter'), model.config);
    const weights = mergeAdapter(model.config, model.weights, adapter);
    const embeddingNorm = await meanEmbeddingNorm(model.weights.embedding);
    const batch = makeBatch(encoded);
    const options = { ...attackDefaults, ...familyGolden.attack };
    const target = { model, weights, embeddingNorm };
    const found = await runAttack(embeddingAttack, target, batch, options, new Random(1, 'attack'));
    const values = await found.delta.data();
    const d = model.config.hiddenSize;
    const { length } = batch;
    const delta = targetStarts.flatMap((start, i) =>
      Array.from(values.slice(i * length * d, (i * length + start) * d)),
    );
    const wanted = expected('delta');
    const equal = delta.filter((value, i) => Math.abs(value - (wanted[i] as number)) < 1e-5).length;
    assert.ok(equal >= 0.995 * wanted.length, `${equal} of ${wanted.length} numbers are equal`);
    found.close();
    batch.close();
    freeMerged(weights, model.weights);
    freeAdapter(adapter);
  });

  check(`${name}: rows that are padded to a size have the log-probabilities they have without`, async () => {
    const model = await opened();
    const needed = batchSize(encoded);
    const sizes = [undefined, { length: needed.length + 5, targets: needed.targets + 3 }];
    const found: number[][] = [];
    for (const size of dependsOnLength(model.config.rope) ? [] : sizes) {
      const batch = makeBatch(encoded, 'all', size);
      const logProbs = await logProbsAt({ model, weights: model.weights }, batch);
      found.push(Array.from(await logProbs.data()).slice(0, batch.rowOf.length));
      logProbs.dispose();
      batch.close();
    }
    if (found[0]) assert.ok(farthest(found[0], found[1] ?? []) < 2e-5);
  });

  check(`${name}: twelve greedy tokens, alone and as one batch, are PyTorch's`, async () => {
    const model = await opened();
    const prompts = rows.map((row, i) => row.slice(0, targetStarts[i]));
    const input = { maxNewTokens: 12, stopIds: [] };
    for (const [i, prompt] of prompts.entries())
      assert.deepEqual(await generate(model, { ...input, prompts: [prompt] }), [golden.greedy[i]]);
    // Where frequencies depend on the longest text of a batch (transformers too), a batch is not its single rows.
    if (!dependsOnLength(model.config.rope))
      assert.deepEqual(await generate(model, { ...input, prompts }), golden.greedy);
  });

  check(`${name}: chats are PyTorch's ids`, async () => {
    const { chat } = await opened();
    for (const { messages, open, ids } of golden.chats)
      if (open) assert.deepEqual(chat.prompt(messages), ids);
      else {
        const prompt = chat.prompt(messages.slice(0, -1));
        const answer = chat.answerIds(messages.at(-1)?.content ?? '');
        assert.deepEqual([...prompt, ...answer], ids.slice(0, prompt.length + answer.length));
        assert.equal(answer.at(-1), chat.endId);
      }
  });
}
