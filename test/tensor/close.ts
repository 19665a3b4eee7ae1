import assert from 'node:assert/strict';
import type * as tf from '@tensorflow/tfjs-core';

/** Every number within `tolerance`, absolutely or relative to what was expected. */
export async function assertClose(
  got: tf.Tensor | undefined,
  want: readonly number[],
  tolerance = 1e-6,
): Promise<void> {
  assert.ok(got, 'there is no tensor');
  const values = await got.data();
  assert.equal(values.length, want.length);
  for (const [i, expected] of want.entries()) {
    const value = values[i] ?? Number.NaN;
    const off = Math.abs(value - expected);
    assert.ok(off <= tolerance * Math.max(1, Math.abs(expected)), `number ${i} is ${value}, expected ${expected}`);
  }
}
