import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../src/base/problem';
import { startEngine } from '../../src/tensor/engine';

test('a tensor that does not fit is a problem, and what was there stays whole', async () => {
  await startEngine({ engine: 'wasm', threads: 1 });
  const kept = tf.tensor([1, 2, 3]);
  const before = tf.memory();
  for (const side of [32767, 40000])
    assert.throws(
      () => tf.fill([side, side], 1),
      (error) =>
        error instanceof Problem && error.data.code === 'engineMemory' && /smaller batches/.test(error.message),
    );
  assert.equal(tf.memory().numBytes, before.numBytes);
  assert.deepEqual([...tf.matMul(tf.reshape(kept, [1, 3]), tf.reshape(kept, [3, 1])).dataSync()], [14]);
});
