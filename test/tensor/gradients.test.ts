import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { assertBalanced } from '../../src/tensor/memory';
import { assertClose } from './close';
import { forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

forEachEngine((check) => {
  const values = Array.from({ length: 24 }, (_, i) => Math.sin(i));

  for (const [axis, keepDims] of [
    [undefined, false],
    [2, false],
    [-1, true],
    [0, true],
    [[0, 2], false],
  ] as const)
    check(`gradients of sum and mean over ${axis ?? 'everything'}${keepDims ? ', kept' : ''}`, () =>
      assertBalanced(() =>
        tidyAsync(async () => {
          const x = tf.tensor(values, [2, 3, 4]);
          const axes = axis === undefined ? [0, 1, 2] : [axis].flat().map((it) => (it + 3) % 3);
          const n = axes.reduce((size, it) => size * [2, 3, 4][it]!, 1);
          // d/dx sum(f(x)^2) = 2 f(x), spread over what f summed; f(x) with its axes kept, to spread it by broadcasting
          const kept = tf.sum(x, axes, true);
          const spread = [...(await tf.mul(kept, tf.ones([2, 3, 4])).data())];
          const square = (f: typeof tf.sum | typeof tf.mean) => (given: tf.Tensor) =>
            tf.sum(tf.square(f(given, axis as number, keepDims)));
          const wantSum = spread.map((it) => 2 * it);
          await assertClose(tf.grad(square(tf.sum))(x), wantSum);
          await assertClose(
            tf.grad(square(tf.mean))(x),
            wantSum.map((it) => it / n / n),
          );
        }),
      ),
    );

  check('a cast to the same type keeps the values, one to another type converts them', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        const x = tf.tensor([1.5, -2.5, 0]);
        const same = tf.cast(x, 'float32');
        x.dispose();
        assert.deepEqual([...(await same.data())], [1.5, -2.5, 0]);
        assert.deepEqual([...(await tf.cast(same, 'int32').data())], [1, -2, 0]);
        await assertClose(tf.grad((y) => tf.sum(tf.mul(y, tf.cast(y, 'float32'))))(same), [3, -5, 0]);
      }),
    ),
  );
});
