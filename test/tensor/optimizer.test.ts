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
function advance(optimizer: AdamW, parameters: tf.NamedTensorMap, step: number): tf.NamedTensorMap {
  const given = grads(step);
  const { scale, norm } = clipScale(given, 0.3);
  assertClose(norm, [golden.adamW.steps[step]?.norm ?? 0]);
  tf.tidy(() => assertClose(tf.mul(given.a, scale), golden.adamW.steps[step]?.clipped.a ?? []));
  const next = optimizer.step(parameters, given, golden.adamW.steps[step]?.rate, scale);
  tf.dispose([parameters, given, norm, scale]);
  return next;
}

forEachEngine((check) => {
  check('AdamW and clipping are those of PyTorch, and leak nothing', () =>
    assertBalanced(() => {
      const optimizer = new AdamW({ weightDecay: 1e-3 });
      let parameters: tf.NamedTensorMap = start();
      golden.adamW.steps.forEach(({ after }, step) => {
        parameters = advance(optimizer, parameters, step);
        assertClose(parameters['a'], after.a);
        assertClose(parameters['b'], after.b);
      });
      tf.dispose(parameters);
      optimizer.close();
    }),
  );

  check('AdamW goes on from its saved state to the same bits', () =>
    assertBalanced(() => {
      const optimizer = new AdamW({ weightDecay: 1e-3 });
      let parameters = advance(optimizer, start(), 0);
      parameters = advance(optimizer, parameters, 1);
      const saved = optimizer.toTensors();
      const again = new AdamW({ weightDecay: 1e-3 });
      again.fromTensors(saved);
      tf.dispose(saved);
      const copy = { a: tf.clone(parameters['a'] as tf.Tensor), b: tf.clone(parameters['b'] as tf.Tensor) };
      const next = advance(optimizer, parameters, 2);
      const nextAgain = advance(again, copy, 2);
      assert.deepEqual(nextAgain['a']?.dataSync(), next['a']?.dataSync());
      assert.deepEqual(nextAgain['b']?.dataSync(), next['b']?.dataSync());
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
      assertBalanced(() => {
        const { start: first, grads: list, stepSize } = golden.delta;
        let delta = tf.tensor3d(first, [1, 3, 4]);
        let state = deltaStart(name, delta);
        list.forEach((values, step) => {
          const grad = tf.tensor3d(values, [1, 3, 4]);
          const next = deltaStep(name, delta, grad, stepSize, state);
          tf.dispose([grad, delta, state.first, state.second]);
          ({ delta, state } = next);
          assertClose(delta, golden.delta[name][step] ?? [], 1e-7);
        });
        tf.dispose([delta, state.first, state.second]);
      }),
    );
});
