import * as tf from '@tensorflow/tfjs-core';
import { projectL2, tokenNorms } from '../../src/tensor/balls';
import { targetLogProbs } from '../../src/tensor/losses';
import { assertBalanced } from '../../src/tensor/memory';
import golden from '../golden/tensor.json';
import { assertClose } from './close';
import { forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

forEachEngine((check) => {
  check('log-probabilities of targets and their gradient are those of PyTorch', async () => {
    const { logits, ids, dy, value, grad } = golden.logProbs;
    await tidyAsync(async () => {
      const x = tf.tensor2d(logits, [4, 7]);
      const targets = tf.tensor1d(ids, 'int32');
      await assertClose(targetLogProbs(x, targets), value);
      const loss = (given: tf.Tensor) => tf.sum(tf.mul(targetLogProbs(given as tf.Tensor2D, targets), dy));
      await assertClose(tf.grad(loss)(x), grad);
    });
  });

  check('many large rows: log-probabilities agree with the plain formula', async () => {
    await tidyAsync(async () => {
      const x = tf.tensor2d(
        Array.from({ length: 50 * 301 }, (_, i) => 9 * Math.sin(i * 1.7)),
        [50, 301],
      );
      const ids = tf.tensor1d(
        Array.from({ length: 50 }, (_, i) => (i * 37) % 301),
        'int32',
      );
      const plain = tf.sum(tf.mul(tf.logSoftmax(x), tf.oneHot(ids, 301)), 1);
      await assertClose(targetLogProbs(x, ids), [...(await plain.data())], 2e-6);
    });
  });

  check('delta is projected onto the ball, and stays as it is inside', async () => {
    const { delta, radius, norms, projected } = golden.ball;
    const given = tf.tensor3d(delta, [1, 3, 4]);
    await assertBalanced(() =>
      tidyAsync(async () => {
        await assertClose(tokenNorms(given), norms);
        await assertClose(projectL2(given, radius), projected);
        // the second and third token are inside: not one bit of them may change
        await assertClose(
          tf.slice(projectL2(given, radius), [0, 1, 0]),
          [...(await tf.slice(given, [0, 1, 0]).data())],
          0,
        );
        await assertClose(projectL2(given, 0), new Array<number>(12).fill(0));
      }),
    );
    given.dispose();
  });
});
