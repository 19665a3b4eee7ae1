import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { BatchSizes } from '../../src/data/batchSizes';
import { loadAdapter } from '../../src/model/adapter';
import { adapterParameters, createAdapter } from '../../src/model/lora';
import type { StepRecord } from '../../src/records/record';
import type { TrainState } from '../../src/run/checkpoint';
import { orderedParameters } from '../../src/run/differentiate';
import { microGradients } from '../../src/run/microBatch';
import { cleanReferences } from '../../src/run/references';
import type { Setup } from '../../src/run/setUp';
import { train } from '../../src/run/train';
import { AdamW } from '../../src/tensor/optimizer';
import { attackDefaults, goldenPairs, goldenTraining, goldenUtility } from '../attack/goldenTraining';
import { adapterFolder, farthest, largest } from '../model/golden';
import { forEachEngine } from '../tensor/engines';
import { type GoldenOptions, goldenSetup } from './goldenSetup';

const { training, capo, cat, catGradient } = goldenTraining;
const noSave = async () => ({ folder: '', adapterSha256: '' });

async function steps(setup: Setup, state: TrainState, each?: (record: StepRecord) => unknown): Promise<StepRecord[]> {
  const records: StepRecord[] = [];
  for await (const output of train(setup, state, {
    signal: new AbortController().signal,
    save: noSave,
    references: await cleanReferences(setup),
  }))
    if ('record' in output && output.record.kind === 'step') {
      const record = { v: 1, time: 0, ...output.record };
      records.push(record);
      await each?.(record);
    }
  return records;
}

const goldenState = (setup: Setup): TrainState => ({
  step: 0,
  adapter: loadAdapter(adapterFolder, setup.model.config),
  optimizer: new AdamW({ weightDecay: setup.resolved.training.weightDecay }),
});

/** Batches of the golden rows, each number larger than they need. */
const wider = {
  pairs: new BatchSizes([{ rows: goldenPairs.length, size: { length: 40, attackLength: 33, harmful: 60, safe: 50 } }]),
  utility: new BatchSizes([{ rows: goldenUtility.length, size: { length: 37, targets: 45 } }]),
};

/** Gradients of all golden rows in one micro-batch, by parameter. */
async function gradients(options: GoldenOptions, padded = false): Promise<{ [name: string]: number[] }> {
  const setup = { ...(await goldenSetup(options)), sizes: padded ? wider : undefined };
  const adapter = loadAdapter(adapterFolder, setup.model.config);
  const micro = setup.plan[0];
  assert.ok(micro);
  const result = await microGradients(setup, adapter, micro, 0, await cleanReferences(setup));
  const found: { [name: string]: number[] } = {};
  for (const [name, grad] of Object.entries(result.gradients)) found[name] = Array.from(await grad.data());
  return found;
}

function assertGradients(found: { [name: string]: number[] }, expected: { [name: string]: number[] }): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    const distance = farthest(found[name] ?? [], values);
    assert.ok(distance <= 1e-5 + 1e-4 * largest(values), `${name} differs by ${distance} of ${largest(values)}`);
  }
}

forEachEngine((check) => {
  check('the gradient of CAT with its attack is PyTorch’s', async () => {
    const attack = { ...attackDefaults, ...cat.attackOptions };
    assertGradients(
      await gradients({ method: { name: 'cat', ...catGradient.options }, attack }),
      catGradient.gradients,
    );
  });

  check('batches that are padded to a size have the same gradients', async () => {
    const attack = { ...attackDefaults, ...cat.attackOptions };
    const method = { name: 'cat', ...catGradient.options } as const;
    assertGradients(await gradients({ method, attack }, true), catGradient.gradients);
    for (const { options, gradients: expected } of capo.gradients)
      assertGradients(
        await gradients({ method: { name: 'capo', ...options, utilityWeight: 0 }, attack }, true),
        expected,
      );
  });

  for (const { options, gradients: expected } of capo.gradients)
    check(
      `the gradient of CAPO is PyTorch's: away ${options.awayCutoff}, toward ${options.towardCutoff}, ${options.outside}, ${options.referencePrompts}`,
      async () => {
        const attack = { ...attackDefaults, ...cat.attackOptions };
        const setup: GoldenOptions = { method: { name: 'capo', ...options, utilityWeight: 0 }, attack };
        assertGradients(await gradients(setup), expected);
      },
    );

  check('three steps of CAT: attack, terms, norm and adapter are PyTorch’s', async () => {
    const { attack, method, learningRate, weightDecay, clipNorm } = training.options;
    const setup = await goldenSetup({
      method: { name: 'cat', ...method },
      attack: { ...attackDefaults, ...attack },
      training: { learningRate, weightDecay, clipNorm },
      steps: 3,
    });
    const state = goldenState(setup);
    const close = (found: number | undefined, expected: number, what: string) =>
      assert.ok(Math.abs((found ?? Number.NaN) - expected) < 2e-4, `${what}: ${found}, expected ${expected}`);
    await steps(setup, state, async ({ step, losses, attack, gradientNorm }) => {
      const expected = training.steps[step - 1];
      assert.ok(expected);
      for (const name of ['away', 'toward', 'utility', 'total'] as const)
        close(losses[name], expected[name], `${name} of step ${step}`);
      close(gradientNorm, expected.gradientNorm, `norm of step ${step}`);
      close(attack?.before, expected.attackLosses[0] ?? Number.NaN, `attack of step ${step}`);
      const after = training.adapterAfter[String(step)];
      if (!after) return;
      for (const [name, tensor] of Object.entries(adapterParameters(state.adapter))) {
        const distance = farthest(await tensor.data(), after[name] ?? []);
        // Adam's first steps are as long as the learning rate whatever the gradient's size, so tiny gradients may differ by a part of it.
        assert.ok(distance < 0.05 * learningRate, `${name} after step ${step} differs by ${distance}`);
      }
    });
    assert.equal(state.step, 3);
  });

  check('micro-batches are averaged: twice the same batch gives the step of one', async () => {
    const method = { name: 'cat', ...catGradient.options } as const;
    const results: number[][] = [];
    for (const accumulation of [1, 2]) {
      const setup = await goldenSetup({ method, accumulation });
      const state = goldenState(setup);
      await steps(setup, state);
      const values: number[] = [];
      for (const tensor of Object.values(orderedParameters(state.adapter))) values.push(...(await tensor.data()));
      results.push(values);
    }
    assert.ok(farthest(results[0] ?? [], results[1] ?? []) < 1e-6);
  });

  check('the control runs no attack and still has CAT’s terms', async () => {
    const setup = await goldenSetup({ method: { name: 'sft' } });
    const [record] = await steps(setup, goldenState(setup));
    assert.equal(record?.attack, undefined);
    assert.ok(record?.losses.rawAway !== undefined && record.losses.toward !== undefined);
  });

  check('dropout follows the seed', async () => {
    const losses: number[] = [];
    for (const seed of [1, 1, 2]) {
      const setup = await goldenSetup({ method: { name: 'cat' }, lora: { dropout: 0.5 } });
      const [record] = await steps({ ...setup, resolved: { ...setup.resolved, seed } }, goldenState(setup));
      losses.push(record?.losses.total ?? Number.NaN);
    }
    assert.equal(losses[0], losses[1]);
    assert.notEqual(losses[0], losses[2]);
  });

  check('memory is bounded: the number of tensors stays the same from step to step', async () => {
    for (const name of ['cat', 'capo', 'sft'] as const) {
      const setup = await goldenSetup({ method: { name }, steps: 5, accumulation: 2, lora: { dropout: 0.1 } });
      const { model, resolved } = setup;
      const state = { ...goldenState(setup), adapter: createAdapter(model.config, resolved.lora, 1) };
      const counts: number[] = [];
      await steps(setup, state, () => counts.push(tf.memory().numTensors));
      assert.deepEqual(counts.slice(1), new Array(4).fill(counts[1]), `${name}: ${counts}`);
    }
  });
});
