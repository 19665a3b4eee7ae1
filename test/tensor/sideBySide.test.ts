import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { logProbsOfTargets } from '../../src/attack/forward';
import { type Batch, packPairs, partsOf as tensorsOf } from '../../src/data/batch';
import { encodeChat } from '../../src/data/encode';
import { loadAdapter } from '../../src/model/adapter';
import { embed } from '../../src/model/decoder';
import { dropoutKey } from '../../src/model/dropout';
import { adapterParameters, freeAdapter, mergeAdapter, withParameters } from '../../src/model/lora';
import type { Model } from '../../src/model/model';
import { multiply } from '../../src/model/multiply';
import { openModel } from '../../src/model/openModel';
import { apart, joined } from '../../src/model/sideBySide';
import { compiles, jit, partsOf } from '../../src/tensor/jit';
import { adapterFolder, tinyFolder } from '../model/golden';
import { assertClose } from './close';
import { DEVICE, forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

const answers = [
  ['What is it?', 'It is the gate of iron.', 'No.'],
  ['Who?', 'I.', 'It is the gate.'],
  ['What is the gate?', 'It is.', 'It is.'],
  ['It is?', 'No.', 'It is the gate of iron.'],
  ['Is it?', 'It is the gate.', 'I.'],
] as const;

function batchOf(model: Model, rows: number): Batch {
  const encode = (prompt: string, answer: string) => encodeChat(model, prompt, answer) ?? assert.fail();
  return packPairs(
    answers
      .slice(0, rows)
      .map(([prompt, harmful, safe]) => ({ harmful: encode(prompt, harmful), safe: encode(prompt, safe) })),
  );
}

forEachEngine((check) => {
  // Five rows on two threads would leave one of them waiting. On wasm the number of threads does not matter.
  for (const [rows, parts, onWasm] of [
    [4, 2, 4],
    [5, 1, 1],
    [6, 2, 2],
    [1, 1, 1],
  ] as const)
    check(`${rows} rows computed in parts have the log-probabilities and gradients that they have in one`, async () => {
      const model = await openModel(tinyFolder);
      const adapter = loadAdapter(adapterFolder, model.config);
      const batch = batchOf(model, rows);
      const key = dropoutKey(1, 2);
      const args = {
        weights: model.weights,
        parameters: adapterParameters(adapter),
        batch: tensorsOf(batch),
        embeddings: embed(model.weights, batch.ids),
        keyTensor: tf.tensor1d([key], 'int32'),
      };
      let asked = 0;
      const compute = (given: typeof args) => {
        asked = partsOf(rows);
        const names = Object.keys(given.parameters);
        const { value, grads } = tf.valueAndGrads((embeddings: tf.Tensor, ...values: tf.Tensor[]) => {
          const own = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
          const run = {
            adapter: withParameters(adapter, own),
            dropout: { rate: 0.3, key, keyTensor: given.keyTensor },
          };
          const target = { model, weights: given.weights };
          const logProbs = logProbsOfTargets(target, given.batch, embeddings as tf.Tensor3D, run);
          return tf.sum(tf.mul(logProbs, tf.range(1, batch.targets + 1))) as tf.Scalar;
        })([given.embeddings, ...Object.values(given.parameters)]);
        return { all: [value, ...grads] };
      };
      const plain = compute(args);
      const compiled = jit(model.config, 'test', args, compute);
      const wanted = tf.getBackend() === 'wasm' ? onWasm : DEVICE ? 1 : parts;
      assert.equal(asked, compiles() ? wanted : 1);
      const again = jit(model.config, 'test', args, compute);
      for (const [i, tensor] of compiled.all.entries()) {
        const numbers = [...(await tensor.data())];
        assert.deepEqual(numbers, [...((await again.all[i]?.data()) ?? [])], 'the same bits');
        // A matrix unit computes all rows together, but not the few of a part: sums of numbers of up to 60 are rounded otherwise.
        await assertClose(tensor, [...((await plain.all[i]?.data()) ?? [])], 5e-4);
      }
      tf.dispose([plain.all, compiled.all, again.all, args.embeddings, args.keyTensor]);
      batch.close();
      freeAdapter(adapter);
      model.close();
    });

  check('merged weights are W + scale A B', async () => {
    const model = await openModel(tinyFolder);
    const adapter = loadAdapter(adapterFolder, model.config);
    const merged = mergeAdapter(model.config, model.weights, adapter);
    const [path, factors] = Object.entries(adapter.factors)[0] ?? assert.fail();
    assert.match(path, /layers\.0\.self_attn\.q_proj/);
    const own = (weights: Model['weights']) => {
      const weight = weights.layers[0]?.linear.q?.weight;
      return weight ? multiply(tf.eye(factors.a.shape[0]), weight) : assert.fail();
    };
    await tidyAsync(async () => {
      const right = tf.add(own(model.weights), tf.mul(tf.matMul(factors.a, factors.b), factors.scale));
      await assertClose(own(merged), [...(await right.data())], 1e-6);
    });
  });

  check('parts are as equal as can be, none is empty, and together they are the whole', async () => {
    const sizes = (count: number, parts: number) => apart(tf.range(0, count), parts).map((part) => part.size);
    assert.deepEqual([sizes(4, 2), sizes(7, 3), sizes(2, 5), sizes(3, 1)], [[2, 2], [2, 2, 3], [1, 1], [3]]);
    assert.deepEqual([...(await joined(apart(tf.range(0, 7), 3)).data())], [0, 1, 2, 3, 4, 5, 6]);
  });
});
