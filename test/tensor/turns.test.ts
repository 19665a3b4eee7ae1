import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { assertClose } from './close';
import { forEachEngine } from './engines';

// Kernels that a package's own version does not give exactly enough, or not at all.
forEachEngine((check) => {
  check('sin and cos are exact far from zero too, as positions of long texts need them', async () => {
    const angles = Float32Array.from({ length: 4000 }, (_, i) =>
      i % 2 === 0 ? (i - 2000) * 0.0123 : (i - 2000) * 65.4321,
    );
    const x = tf.tensor2d(angles, [40, 100]);
    const [sine, cosine] = [tf.sin(x), tf.cos(x)];
    await assertClose(sine, Array.from(angles, Math.sin), 2e-6);
    await assertClose(cosine, Array.from(angles, Math.cos), 2e-6);
    tf.dispose([x, sine, cosine]);
  });

  for (const count of [2, 7, 8, 13, 14, 40])
    check(`the sum of ${count} tensors`, async () => {
      const before = tf.memory().numDataBuffers;
      const terms = Array.from({ length: count }, (_, i) => tf.tensor1d([i, 1, -2 * i]));
      const sum = tf.addN(terms);
      const whole = (count * (count - 1)) / 2;
      await assertClose(sum, [whole, count, -2 * whole], 0);
      tf.dispose([terms, sum]);
      assert.equal(tf.memory().numDataBuffers, before);
    });
});
