import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { assertBalanced } from '../../src/tensor/memory';
import { AdamW, clipScale, deltaStart, deltaStep } from '../../src/tensor/optimizer';
import golden from '../golden/tensor.json';
import { assertClose } from './close';
import { forEachEngine } from './engines';

const start = () => ({ a: tf.tensor(golden.adamW.start.a, [2, 3]), b: tf.tensor(golden.adamW.start.b) });
const grads = (step: number) => {
  const { a = [], b = [] } = golden.adamW.steps[step]?.grads ?? {};
  return { a: tf.tensor(a, [2, 3]), b: tf.tensor(b) };
};

/** Clips and steps; frees what it was given. */
async function advance(optimizer: AdamW, parameters: tf.NamedTensorMap, step: number): Promise<tf.NamedTensorMap> {
  const given = grads(step);
  const clip = { maxNorm: 0.3 };
  const { scale, norm } = clipScale(given, clip);
  await assertClose(norm, [golden.adamW.steps[step]?.norm ?? 0]);
  const clipped = tf.mul(given.a, scale);
  await assertClose(clipped, golden.adamW.steps[step]?.clipped.a ?? []);
  const next = optimizer.step(parameters, given, golden.adamW.steps[step]?.rate, clip);
  await assertClose(next.norm, [golden.adamW.steps[step]?.norm ?? 0]);
  tf.dispose([parameters, given, norm, scale, clipped, next.norm ?? []]);
  return next.parameters;
}

forEachEngine((check) => {
  check('AdamW and clipping are those of PyTorch, and leak nothing', () =>
    assertBalanced(async () => {
      const optimizer = new AdamW({ weightDecay: 1e-3 });
      let parameters: tf.NamedTensorMap = start();
      for (const [step, { after }] of golden.adamW.steps.entries()) {
        parameters = await advance(optimizer, parameters, step);
        await assertClose(parameters['a'], after.a);
        await assertClose(parameters['b'], after.b);
      }
      tf.dispose(parameters);
      optimizer.close();
    }),
  );

  check('AdamW goes on from its saved state to the same bits', () =>
    assertBalanced(async () => {
      const optimizer = new AdamW({ weightDecay: 1e-3 });
      let parameters = await advance(optimizer, start(), 0);
      parameters = await advance(optimizer, parameters, 1);
      const saved = optimizer.toTensors();
      const again = new AdamW({ weightDecay: 1e-3 });
      await again.fromTensors(saved);
      tf.dispose(saved);
      const copy = { a: tf.clone(parameters['a'] as tf.Tensor), b: tf.clone(parameters['b'] as tf.Tensor) };
      const next = await advance(optimizer, parameters, 2);
      const nextAgain = await advance(again, copy, 2);
      assert.deepEqual(await nextAgain['a']?.data(), await next['a']?.data());
      assert.deepEqual(await nextAgain['b']?.data(), await next['b']?.data());
      tf.dispose([next, nextAgain]);
      optimizer.close();
      again.close();
    }),
  );

  check('a parameter without a gradient is an error', () => {
    tf.tidy(() => assert.throws(() => new AdamW().step({ a: tf.scalar(1) }, {}), /no gradient of a/));
  });

  for (const name of ['sign', 'adam', 'rms', 'normalized'] as const)
    check(`delta moves as PyTorch moves it: ${name}`, () =>
      assertBalanced(async () => {
        const { start: first, grads: list, stepSize } = golden.delta;
        let delta = tf.tensor3d(first, [1, 3, 4]);
        let state = deltaStart(name, delta);
        for (const [step, values] of list.entries()) {
          const grad = tf.tensor3d(values, [1, 3, 4]);
          const next = deltaStep(name, delta, grad, stepSize, state);
          tf.dispose([grad, delta, { ...state }]);
          ({ delta, state } = next);
          await assertClose(delta, golden.delta[name][step] ?? [], 1e-7);
        }
        tf.dispose([delta, { ...state }]);
      }),
    );
});
