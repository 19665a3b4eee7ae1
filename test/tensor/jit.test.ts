import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { hasFused } from '../../src/tensor/fused';
import {
  compiles,
  freeCompiled,
  jit,
  jitAside,
  jitCounts,
  outsideRecording,
  runsSideBySide,
} from '../../src/tensor/jit';
import { targetLogProbs } from '../../src/tensor/losses';
import { forEachEngine } from './engines';

interface Args {
  x: tf.Tensor2D;
  state: { w: tf.Tensor2D; count: number; names: string[] };
}
const argsOf = (rows: number, seed: number): Args => ({
  x: tf.randomNormal([rows, 4], 0, 1, 'float32', seed) as tf.Tensor2D,
  state: { w: tf.randomNormal([4, 3], 0, 1, 'float32', seed + 1) as tf.Tensor2D, count: 2, names: ['a'] },
});
/** Forward, gradient, a constant, an argument that comes back, and a number. */
const work = ({ x, state }: Args) => {
  const loss = (rows: tf.Tensor) =>
    tf.mean(tf.square(tf.softmax(tf.matMul(rows as tf.Tensor2D, state.w)))) as tf.Scalar;
  const { value, grad } = tf.valueAndGrad(loss)(x);
  const moved = tf.sub(x, tf.mul(tf.sign(grad), tf.tensor1d([0.1, 0.2, 0.3, 0.4])));
  return { value, moved, same: state.w, count: state.count + 1, parts: tf.split(moved, 2, 1) };
};
const flat = (result: ReturnType<typeof work>): Promise<number[][]> =>
  Promise.all(
    [result.value, result.moved, result.same, ...result.parts].map(async (tensor) => Array.from(await tensor.data())),
  );

const close = (found: readonly number[], expected: readonly number[], most: number) => {
  assert.equal(found.length, expected.length);
  found.forEach((value, i) => {
    const right = expected[i] as number;
    assert.ok(Math.abs(value - right) <= most * Math.max(1, Math.abs(right)), `${value} and ${right}`);
  });
};

forEachEngine((check) => {
  check('a compiled function gives what the function gives, call after call the same bits', async () => {
    const owner = {};
    const args = argsOf(5, 1);
    const expected = await flat(work(args));
    const first = jit(owner, 'work', args, work);
    close((await flat(first)).flat(), expected.flat(), 1e-6);
    assert.equal(first.count, 3);
    assert.equal(first.same, args.state.w, 'an argument that comes back is the argument');
    const again = jit(owner, 'work', args, work);
    assert.deepEqual(await flat(again), await flat(first));
    // Other values of the same shapes are no constants of the function.
    const other = argsOf(5, 9);
    close((await flat(jit(owner, 'work', other, work))).flat(), (await flat(work(other))).flat(), 1e-6);
    freeCompiled(owner);
  });

  check('aside it gives the same bits, and other work has its turn meanwhile', async () => {
    const owner = {};
    const args = argsOf(5, 1);
    const expected = await flat(jit(owner, 'work', args, work));
    let turns = 0;
    setImmediate(() => turns++);
    const before = tf.memory().numTensors;
    const found = await jitAside(owner, 'work', args, work);
    assert.equal(turns, 1);
    assert.deepEqual(await flat(found), expected);
    assert.equal(found.count, 3);
    tf.dispose([found.value, found.moved, found.parts]);
    assert.equal(tf.memory().numTensors, before);
    freeCompiled(owner);
  });

  check('a computation whose signal is aborted is rejected with the reason and leaves no tensor behind', async () => {
    const owner = {};
    const x = tf.fill([256, 256], 1 / 256) as tf.Tensor2D;
    const long = (args: { x: tf.Tensor2D }) => {
      runsSideBySide();
      let y = args.x;
      for (let i = 0; i < 500; i++) y = tf.matMul(y, args.x);
      return { y };
    };
    const before = tf.memory().numTensors;
    const reason = new Error('enough');
    await assert.rejects(jitAside(owner, 'long', { x }, long, AbortSignal.abort(reason)), reason);
    if (compiles() && tf.getBackend() === 'tensorflow' && hasFused()) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(reason), 5);
      await assert.rejects(jitAside(owner, 'long', { x }, long, stop.signal), reason);
    }
    const { y } = await jitAside(owner, 'long', { x }, long, new AbortController().signal);
    assert.ok(Math.abs(((await y.data())[7] as number) - 1 / 256) < 1e-6);
    y.dispose();
    assert.equal(tf.memory().numTensors, before);
    x.dispose();
    freeCompiled(owner);
  });

  check('other shapes, numbers and keys are other functions; calls leave nothing behind', () => {
    const owner = {};
    const before = jitCounts().recorded;
    const call = (args: Args, key = 'work') => {
      tf.tidy(() => {
        jit(owner, key, args, work);
      });
    };
    const [five, six] = [argsOf(5, 1), argsOf(6, 1)];
    const counted = { ...five, state: { ...five.state, count: 7 } };
    for (let i = 0; i < 3; i++) {
      for (const args of [five, six, counted]) call(args);
      call(five, 'other');
    }
    const native = compiles();
    assert.equal(jitCounts().recorded - before, native ? 4 : 0);
    const tensors = tf.memory().numTensors;
    for (let i = 0; i < 20; i++) call(five);
    assert.equal(tf.memory().numTensors, tensors);
    freeCompiled(owner);
  });

  check('many shapes are forgotten again', async () => {
    const owner = {};
    for (let rows = 1; rows <= 70; rows++) {
      const args = argsOf(rows, rows);
      const { value, moved, parts } = jit(owner, 'work', args, work);
      assert.ok(Number.isFinite((await value.data())[0]));
      tf.dispose([args.x, args.state.w, value, moved, parts]);
    }
    const args = argsOf(1, 1);
    close((await flat(jit(owner, 'work', args, work))).flat(), (await flat(work(args))).flat(), 1e-6);
    freeCompiled(owner);
  });

  check('a function that reads a value is simply called, and it is said why', async () => {
    const owner = {};
    const reads = ({ x }: { x: tf.Tensor }) => tf.mul(x, x.dataSync()[0] ?? 0);
    const x = tf.tensor1d([3, 4]);
    if (tf.getBackend() === 'webgpu') {
      // It gives no value to whoever does not wait; what has just come from JavaScript is no value of the device yet.
      const made = tf.add(x, 0);
      assert.throws(() => jit(owner, 'reads', { x: made }, reads), /await tensor\.data\(\)/);
      return;
    }
    for (let i = 0; i < 3; i++) assert.deepEqual([...(await jit(owner, 'reads', { x }, reads).data())], [9, 12]);
    if (compiles()) assert.ok(jitCounts().refused.some((reason) => /value was read while/.test(reason)));
    freeCompiled(owner);
  });

  check('a function that is refused inside a gradient leaves no tensor behind', async () => {
    const owner = {};
    const x = tf.tensor1d([3, 4]);
    const reads = (y: tf.Tensor) => (tf.getBackend() === 'webgpu' ? 1 : (y.dataSync()[0] ?? 0));
    const work = (args: { x: tf.Tensor }) => ({
      g: tf.tidy(() =>
        tf.grad((own: tf.Tensor) => {
          const y = tf.square(tf.exp(own));
          return tf.mul(y, reads(y));
        })(args.x),
      ),
    });
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) tf.dispose(jit(owner, 'refused', { x }, work));
    assert.equal(tf.memory().numTensors, before);
    freeCompiled(owner);
    x.dispose();
  });

  check('what is made outside the recording lives on; what is captured is kept', async () => {
    const owner = {};
    let constant: tf.Tensor | undefined;
    const captured = tf.tensor1d([10, 20]);
    const uses = ({ x }: { x: tf.Tensor }) => {
      constant ??= outsideRecording(() => tf.keep(tf.add(tf.tensor1d([1, 2]), 1)));
      return tf.add(tf.add(x, constant), captured);
    };
    const x = tf.tensor1d([0.5, 0.5]);
    assert.deepEqual([...(await jit(owner, 'uses', { x }, uses).data())], [12.5, 23.5]);
    assert.deepEqual([...((await constant?.data()) ?? [])], [2, 3]);
    if (compiles()) captured.dispose();
    assert.deepEqual([...(await jit(owner, 'uses', { x }, uses).data())], [12.5, 23.5]);
    freeCompiled(owner);
  });

  check('places outside of a tensor are an error in a compiled call too', async () => {
    const owner = {};
    const logits = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const work = ({ ids }: { ids: tf.Tensor }) =>
      targetLogProbs(tf.gather(logits, tf.slice(ids, 0, 2)) as tf.Tensor2D, tf.slice(ids, 2, 2) as tf.Tensor1D);
    const call = (...ids: number[]) => jit(owner, 'ids', { ids: tf.tensor1d(ids, 'int32') }, work).data();
    assert.equal((await call(0, 1, 0, 1)).length, 2);
    if (tf.getBackend() === 'wasm' && compiles()) {
      await assert.rejects(async () => call(0, 7, 0, 1), /gather was given the place 7 of 2/);
      await assert.rejects(async () => call(0, 1, 0, -1), /-1/);
    }
    freeCompiled(owner);
  });

  check('arguments that hold something else than tensors are not compiled', async () => {
    const owner = {};
    const before = jitCounts().recorded;
    const uses = ({ x, codes }: { x: tf.Tensor; codes: Uint8Array }) => tf.mul(x, codes[0] ?? 0);
    const x = tf.tensor1d([1, 2]);
    assert.deepEqual([...(await jit(owner, 'codes', { x, codes: Uint8Array.of(2) }, uses).data())], [2, 4]);
    assert.deepEqual([...(await jit(owner, 'codes', { x, codes: Uint8Array.of(3) }, uses).data())], [3, 6]);
    assert.equal(jitCounts().recorded, before);
  });
});
