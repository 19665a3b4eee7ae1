import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { checkpointed } from '../../src/tensor/checkpointed';
import { freeCompiled, jit } from '../../src/tensor/jit';
import { assertBalanced } from '../../src/tensor/memory';
import { assertClose } from './close';
import { forEachEngine } from './engines';
import { tidyAsync } from './tidyAsync';

const wave = (shape: [number, number], speed: number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i * speed + speed)),
    shape,
  );

interface Given {
  x: tf.Tensor2D;
  layers: { a: tf.Tensor2D; scale: number }[];
  shift: tf.Tensor2D;
}

/** Makes several tensors of x's size on the way. */
const block = (x: tf.Tensor2D, { a, scale }: Given['layers'][number], { shift }: { shift: tf.Tensor2D }): tf.Tensor2D =>
  tf.tidy(() => tf.add(x, tf.mul(tf.tanh(tf.square(tf.add(tf.matMul(x, a), shift))), scale)));

const through = ({ x, layers, shift }: Given, anew: boolean): tf.Tensor2D =>
  layers.reduce<tf.Tensor2D>(
    // made here and gone when the gradient is taken, as a mask is
    (rows, layer) =>
      tf.tidy(() => {
        const fixed = { shift: tf.neg(shift) as tf.Tensor2D };
        return anew ? checkpointed(rows, layer, fixed, block) : block(rows, layer, fixed);
      }),
    x,
  );

/** Value and gradients of the sum of squares, by x and every layer's a. */
function valueAndGradients(given: Given, anew: boolean): tf.Tensor[] {
  const { value, grads } = tf.valueAndGrads((x: tf.Tensor, ...as: tf.Tensor[]) => {
    const layers = given.layers.map(({ scale }, i) => ({ a: as[i] as tf.Tensor2D, scale }));
    return tf.sum(tf.square(through({ ...given, x: x as tf.Tensor2D, layers }, anew))) as tf.Scalar;
  })([given.x, ...given.layers.map(({ a }) => a)]);
  return [value, ...grads];
}

const givenOf = (layers: number): Given => ({
  x: wave([6, 8], 0.3),
  layers: Array.from({ length: layers }, (_, i) => ({ a: wave([8, 8], 0.7 + i), scale: 0.5 + i })),
  shift: wave([6, 8], 1.9),
});

forEachEngine((check) => {
  check('gradients that compute blocks anew are those of the blocks, compiled too, and free what they take', () =>
    assertBalanced(() =>
      tidyAsync(async () => {
        const given = givenOf(3);
        const wanted = valueAndGradients(given, false);
        const owner = {};
        const compiled = jit(owner, 'anew', given, (args) => ({ all: valueAndGradients(args, true) }));
        for (const found of [valueAndGradients(given, true), compiled.all])
          for (const [i, tensor] of found.entries())
            await assertClose(tensor, [...((await wanted[i]?.data()) ?? [])], 2e-4);
        freeCompiled(owner);
      }),
    ),
  );

  check('between forward and backward a block keeps its arguments alone, however much it makes on the way', () => {
    const kept = (layers: number, anew: boolean): number =>
      tf.tidy(() => {
        const given = givenOf(layers);
        let made = 0;
        tf.grad((x) => {
          const before = tf.memory().numDataBuffers;
          const y = through({ ...given, x: x as tf.Tensor2D }, anew);
          made = tf.memory().numDataBuffers - before;
          return tf.sum(y);
        })(given.x);
        return made;
      });
    const each = (anew: boolean) => (kept(6, anew) - kept(2, anew)) / 4;
    // of a block: what it gives, which is the next one's argument, and what is fixed
    assert.equal(each(true), 2);
    assert.ok(each(false) >= 5, `${each(false)}`);
  });

  check('an error within leaves the tape as it was', () => {
    const x = wave([2, 2], 1);
    let calls = 0;
    const failing = tf.grad((it) =>
      tf.sum(
        checkpointed(it as tf.Tensor2D, {}, {}, (rows) => {
          if (++calls === 2) throw new Error('no');
          return tf.square(rows) as tf.Tensor2D;
        }),
      ),
    );
    assert.throws(() => failing(x), /no/);
    const again = tf.grad((it) => tf.sum(tf.square(it)))(x);
    assert.deepEqual(again.shape, [2, 2]);
    tf.dispose([x, again]);
  });
});
