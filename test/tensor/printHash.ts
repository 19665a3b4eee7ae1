// Prints a hash over the bits of a small training-like computation on argv[2] threads. A program of its own, since the number of threads is
// fixed once per process.
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/base/random';
import { apart, joined } from '../../src/model/sideBySide';
import { startEngine } from '../../src/tensor/engine';
import { jit, partsOf } from '../../src/tensor/jit';
import { targetLogProbs } from '../../src/tensor/losses';

async function main(threads: number): Promise<void> {
  const engine = await startEngine({ engine: 'wasm', threads });
  const random = new Random(1, 'threads');
  const numbers = (...shape: number[]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
    return tf.tensor(values, shape);
  };
  const weight = numbers(64, 192);
  const ids = tf.tensor1d(
    Array.from({ length: 400 }, () => random.int(64)),
    'int32',
  );
  const loss = (x: tf.Tensor) => {
    const hidden = tf.matMul(x, weight);
    const [q, k, v] = tf.split(tf.reshape(hidden, [10, 40, 192]), 3, 2) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const mixed = tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v);
    const gated = tf.mul(tf.sigmoid(mixed), tf.rsqrt(tf.add(tf.mean(tf.square(mixed), -1, true), 1e-5)));
    return tf.mean(targetLogProbs(tf.reshape(gated, [400, 64]), ids));
  };
  const { value, grad } = tf.valueAndGrad(loss)(numbers(400, 64));
  // as a training's gradient: parts of the rows side by side, and a sum over all of them
  const compiled = jit({}, 'gradient', { x: numbers(320, 64), weight, ids: tf.slice(ids, 0, 320) }, (args) => {
    const gradient = tf.grad((own: tf.Tensor) => {
      const parts = apart(args.x, partsOf(8)).map((rows) =>
        tf.matMul(tf.square(tf.matMul(rows, own)), own, false, true),
      );
      return tf.mean(targetLogProbs(joined(parts) as tf.Tensor2D, args.ids as tf.Tensor1D));
    });
    return { weight: gradient(args.weight) };
  });
  const hash = createHash('sha256');
  for (const tensor of [value, grad, compiled.weight]) hash.update(new Uint8Array(tensor.dataSync().buffer));
  console.log(`${engine.threads} ${hash.digest('hex')}`);
}

void main(Number(process.argv[2]));
