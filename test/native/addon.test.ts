import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Addon, addonFile, configProto, loadAddon } from '../../src/tensor/backend/native/addon';
import { LIBRARY_NAMES, librariesIn } from '../../src/tensor/backend/native/tensorFlowLibraries';
import { probeEngines } from '../../src/tensor/engine';
import { temporaryFolder } from '../temporaryFolder';

const file = addonFile();
const wanted = process.env['SPARRING_NATIVE'];
const found = wanted ? librariesIn(wanted) : undefined;
const withAddon = { skip: file ? false : 'there is no addon for this machine' };
const withTensorFlow = { skip: file && found ? false : 'SPARRING_NATIVE names no TensorFlow library' };

test('the addon that is here is built from the sources that are here', withAddon, (context) => {
  // Rebuilt where a compiler is; the same sources may give other bytes with another compiler, but never another list of functions.
  const names = Object.keys(loadAddon(file ?? '')).sort();
  const source = readFileSync(join(__dirname, '..', '..', 'native', 'src', 'addon.cc'), 'utf8');
  const declared = [...source.matchAll(/^\s+\{"(\w+)", nullptr,/gm)].map((match) => match[1]).sort();
  assert.deepEqual(names, declared);
  context.diagnostic(`${names.length} functions`);
});

test('nothing works before TensorFlow is loaded, and a library that is none is an error', withAddon, () => {
  const script = `
    const addon = require(process.argv[1]);
    const said = (work) => { try { work(); return 'no error'; } catch (error) { return error.message; } };
    console.log(JSON.stringify([
      said(() => addon.devices()),
      said(() => addon.createTensor([1], 1, new Float32Array(1))),
      said(() => addon.executeOp('MatMul', [], [], 1)),
      said(() => addon.load([], new Uint8Array(), new Uint8Array(), 1, [], '')),
      said(() => addon.load(['/nowhere/x.so'], new Uint8Array(), new Uint8Array(), 1, [], '')),
      said(() => addon.load([process.argv[1]], new Uint8Array(), new Uint8Array(), 1, [], '')),
      said(() => addon.load('x', new Uint8Array(), new Uint8Array(), 1, [], '')),
      said(() => addon.load([5], new Uint8Array(), new Uint8Array(), 1, [], '')),
      said(() => addon.load()),
    ]));`;
  const said = JSON.parse(execFileSync(process.execPath, ['-e', script, file ?? ''], { encoding: 'utf8' })) as string[];
  for (const text of said.slice(0, 3)) assert.equal(text, 'TensorFlow was not started');
  assert.match(said[3] ?? '', /no library was named/);
  assert.match(said[4] ?? '', /nowhere/);
  assert.match(said[5] ?? '', /has no function TF_Version/);
  for (const text of said.slice(6)) assert.match(text, /must be a list|not what it should be|too few arguments/);
});

test('a file that is no library is refused by the engine with its reason', withAddon, async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'tensorflow'));
  for (const name of LIBRARY_NAMES) writeFileSync(join(folder, 'tensorflow', name), 'no library');
  const [native] = await probeEngines({ engine: 'native', nativePath: folder });
  assert.equal(native?.found, true);
  assert.match(native?.refused ?? '', /libtensorflow_framework/);
  assert.match(native?.mend ?? '', /sparring engine install/);
});

let addon: Addon;
before(() => {
  if (!file || !found) return;
  process.env['TF_CPP_MIN_LOG_LEVEL'] = '2';
  addon = loadAddon(file);
  addon.load(found.libraries, configProto({ threads: 2 }), configProto({ threads: 1, ops: 2 }), 2, [], '');
});
const T = { name: 'T', value: 1 };
const product = [T, { name: 'transpose_a', value: false }, { name: 'transpose_b', value: false }];
const floats = (shape: number[], ...values: number[]) => addon.createTensor(shape, 1, Float32Array.from(values));

test('tensors of every type come back as they went in', withTensorFlow, () => {
  for (const [dtype, values] of [
    [1, Float32Array.of(1.5, -2)],
    [3, Int32Array.of(1, -2)],
    [4, Uint8Array.of(1, 255)],
    [10, Uint8Array.of(0, 1)],
    [9, BigInt64Array.of(1n, -(2n ** 40n))],
    [14, Uint16Array.of(0x3f80, 0xc000)],
    [19, Uint16Array.of(0x3c00, 0xc000)],
  ] as const) {
    const id = addon.createTensor([2], dtype, values);
    assert.deepEqual(addon.tensorDataSync(id), values);
    addon.deleteTensor(id);
  }
  const empty = addon.createTensor([0, 3], 1, new Float32Array());
  assert.equal(addon.tensorDataSync(empty).length, 0);
  addon.deleteTensor(empty);
});

test('ops run, with attributes of every kind, and several outputs', withTensorFlow, () => {
  const [result] = addon.executeOp('MatMul', product, [floats([1, 2], 1, 2), floats([2, 1], 3, 4)], 1);
  assert.deepEqual([result?.shape, result?.dtype], [[1, 1], 1]);
  assert.deepEqual(addon.tensorDataSync(result?.id ?? 0), Float32Array.of(11));
  const axis = addon.createTensor([], 3, Int32Array.of(0));
  const parts = addon.executeOp('Split', [T, { name: 'num_split', value: 3 }], [axis, floats([3], 1, 2, 3)], 3);
  assert.deepEqual(
    parts.map(({ id }) => [...addon.tensorDataSync(id)]),
    [[1], [2], [3]],
  );
  const pool = { name: 'ksize', value: [1, 2, 2, 1] };
  const rest = [T, pool, { name: 'strides', value: [1, 1, 1, 1] }, { name: 'padding', value: 'VALID' }];
  const [most] = addon.executeOp('MaxPool', rest, [floats([1, 2, 2, 1], 1, 4, 3, 2)], 1);
  assert.deepEqual([...addon.tensorDataSync(most?.id ?? 0)], [4]);
  assert.ok(addon.devices().some(({ used, type }) => used && type === 'CPU'));
});

test('whatever is wrong is an error that says what, and the process lives', withTensorFlow, () => {
  const [a, wide] = [floats([1, 1], 3), floats([2, 2], 1, 2, 3, 4)];
  const cases: [() => unknown, RegExp][] = [
    [() => addon.executeOp('MatMul', product, [a, wide], 1), /MatMul of \[1,1\] \[2,2\]: .*size-incompatible/],
    [() => addon.executeOp('MatMul', product, [a], 1), /MatMul takes 2 inputs and was given 1/],
    [() => addon.executeOp('MatMul', product, [a, a], 2), /MatMul has 1 outputs, 2 were asked for/],
    [() => addon.executeOp('MatMul', product, [a, 999_999], 1), /there is no tensor 999999/],
    [() => addon.executeOp('MatMul', [{ name: 'nothing', value: 1 }], [a, a], 1), /no attribute nothing/],
    [() => addon.executeOp('MatMul', [{ name: 'T', value: 'x' }], [a, a], 1), /T is not what it should be/],
    [() => addon.executeOp('NoSuchOp', [], [], 1), /NoSuchOp/],
    [() => addon.executeOp('MatMul', product, [a, a], -1), /number of outputs/],
    [() => addon.executeOp('MatMul', 5 as never, [a, a], 1), /attributes must be a list/],
    [() => addon.createTensor([2, 2], 1, new Float32Array(3)), /12 bytes, which is not what the shape asks for/],
    [() => addon.createTensor([-1], 1, new Float32Array(1)), /no negative lengths/],
    [() => addon.createTensor([1e300], 1, new Float32Array(1)), /whole number/],
    [() => addon.createTensor([2 ** 40, 2 ** 40], 1, new Float32Array(1)), /not what the shape asks for/],
    [() => addon.createTensor([1], 99, new Float32Array(1)), /no type of numbers 99/],
    [() => addon.createTensor([1], 7, new Uint8Array(1)), /texts are not supported/],
    [() => addon.createTensor([1], 1, [1] as never), /must be a typed array/],
    [() => addon.deleteTensor(999_999), /there is no tensor 999999/],
    [() => addon.tensorDataSync('x' as never), /not what it should be/],
    [() => addon.addFunction(Uint8Array.of(1, 2, 3)), /no function/],
    [() => addon.removeFunction('nothing'), /non-existent function/],
    [() => addon.executeOp('ReadFile', [], [a], 1), /string tensor/],
    [() => addon.executeOp('MatMul', product, [a, a, a], 1), /MatMul takes 2 inputs and was given 3/],
    [() => addon.recordOp('MatMul', product, [0, 1], 1), /nothing is being recorded/],
    [() => addon.recordInput(1, [2]), /nothing is being recorded/],
    [() => addon.recordEnd('f', [], [], false), /nothing is being recorded/],
  ];
  const tensors = addon.getNumOfTensors();
  for (const [work, says] of cases) assert.throws(work, says);
  assert.equal(addon.getNumOfTensors(), tensors);
});

test('a recording infers shapes, becomes an op, and says what it cannot', withTensorFlow, () => {
  addon.recordStart();
  const [x, w] = [addon.recordInput(1, [2, 3]), addon.recordInput(1, [3, 4])];
  const [y] = addon.recordOp('MatMul', product, [x, w], 1);
  assert.deepEqual(y?.shape, [2, 4]);
  assert.throws(
    () => addon.recordOp('MatMul', product, [w, x], 1),
    /MatMul: Dimensions must be equal, but are 4 and 2/,
  );
  assert.throws(() => addon.recordOp('MatMul', product, [x, 77], 1), /no recorded value 77/);
  assert.throws(() => addon.recordOp('Where', [T], [x], 1), /shape of what Where gives is not known before it runs/);
  addon.recordEnd('times', [x, w], [y?.id ?? 0], false);
  const args = [floats([2, 3], 1, 2, 3, 4, 5, 6), floats([3, 4], ...new Float32Array(12).fill(1))];
  const [result] = addon.executeOp('times', [], args, 1);
  assert.deepEqual([...addon.tensorDataSync(result?.id ?? 0)], [6, 6, 6, 6, 15, 15, 15, 15]);
  assert.throws(() => addon.executeOp('times', [], args.slice(1), 1), /times takes 2 inputs and was given 1/);
  addon.removeFunction('times');
  assert.throws(() => addon.executeOp('times', [], args, 1), /times/);
});

/** A function of `count` products of our own, one after another, under this name; its argument [size, size]. */
function products(name: string, size: number, count: number): void {
  const attributes = [
    { name: 'sizes', value: [0, 0] },
    { name: 'factor', value: 0 },
  ];
  addon.recordStart();
  const x = addon.recordInput(1, [size, size]);
  let y = x;
  for (let i = 0; i < count; i++) y = addon.recordOp('SparringMatMul', attributes, [y, x], 1)[0]?.id ?? -1;
  addon.recordEnd(name, [x], [y], false);
}
const identity = (size: number): Float32Array =>
  Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));

test(
  'an op that runs beside JavaScript gives what it gives otherwise; its inputs may be deleted meanwhile',
  withTensorFlow,
  async () => {
    products('aside', 64, 20);
    const x = floats([64, 64], ...identity(64).map((value) => value * 1.01));
    const [expected] = addon.executeOp('aside', [], [x], 1);
    const both = [addon.executeOpAside('aside', [], [x], 1, 1), addon.executeOpAside('aside', [], [x], 1, 2)];
    assert.throws(() => addon.executeOpAside('aside', [], [x], 1, 2), /the ticket 2 is in use/);
    addon.deleteTensor(x);
    for (const results of await Promise.all(both)) {
      assert.equal(results.length, 1);
      assert.deepEqual(results[0]?.shape, [64, 64]);
      assert.deepEqual(addon.tensorDataSync(results[0]?.id ?? 0), addon.tensorDataSync(expected?.id ?? 0));
    }
    const [two, three] = [floats([1, 2], 1, 2), floats([1, 3], 1, 2, 3)];
    await assert.rejects(
      addon.executeOpAside('MatMul', product, [two, three], 1, 1),
      /^Error: MatMul of \[1,2\] \[1,3\]: /,
    );
    addon.removeFunction('aside');
  },
);

test('an op that is cancelled ends before its time, and the next one runs', withTensorFlow, async () => {
  products('long', 256, 2000);
  const before = addon.getNumOfTensors();
  const x = floats([256, 256], ...identity(256));
  // One that runs and one that waits for it.
  const running = [1, 2].map((ticket) => addon.executeOpAside('long', [], [x], 1, ticket));
  setTimeout(() => {
    for (const ticket of [1, 2, 3]) addon.cancelOp(ticket);
  }, 5);
  const [first, second] = await Promise.allSettled(running);
  assert.match(String(first?.status === 'rejected' && first.reason), /SparringMatMul was cancelled/);
  assert.match(String(second?.status === 'rejected' && second.reason), /long of \[256,256\]: cancelled/);
  const last = assert.rejects(addon.executeOpAside('long', [], [x], 1, 4), /cancelled/);
  setTimeout(() => addon.cancelOp(4), 5);
  await new Promise((resolve) => setTimeout(resolve, 10));
  // What does not run beside JavaScript was not meant.
  products('short', 256, 1);
  const [result] = addon.executeOp('short', [], [x], 1);
  assert.deepEqual(addon.tensorDataSync(result?.id ?? 0), identity(256));
  await last;
  for (const id of [x, result?.id ?? 0]) addon.deleteTensor(id);
  assert.equal(addon.getNumOfTensors(), before);
  for (const name of ['long', 'short']) addon.removeFunction(name);
});

test('nothing is kept of tensors that were deleted', withTensorFlow, () => {
  const before = addon.getNumOfTensors();
  for (let i = 0; i < 1000; i++) {
    const id = floats([64, 64], ...new Float32Array(4096));
    const [result] = addon.executeOp('MatMul', product, [id, id], 1);
    addon.deleteTensor(id);
    addon.deleteTensor(result?.id ?? 0);
  }
  assert.equal(addon.getNumOfTensors(), before);
});

test(
  'ten thousand calls with whatever comes end in results or errors, never the process',
  withTensorFlow,
  (context) => {
    const script = join(__dirname, 'callAtRandom.mjs');
    const log = join(temporaryFolder(), 'call');
    for (const seed of ['1', '2']) {
      const args = [script, file ?? '', JSON.stringify(found?.libraries), seed, '5000', log];
      const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
      let printed = '';
      try {
        printed = execFileSync(process.execPath, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
      } catch (error) {
        assert.fail(`${String(error).slice(0, 200)} in ${readFileSync(log, 'utf8').slice(0, 500)}`);
      }
      const { results, errors } = JSON.parse(printed) as { results: number; errors: number };
      assert.ok(results > 500 && errors > 500, printed);
      context.diagnostic(`${results} results, ${errors} errors`);
    }
  },
);

test('every prebuilt addon has its folder', () => {
  const prebuilds = join(__dirname, '..', '..', 'native', 'prebuilds');
  for (const name of readdirSync(prebuilds)) {
    if (name === 'wasm') continue;
    assert.match(name, /^(linux|darwin)-(x64|arm64)$/);
    assert.ok(existsSync(join(prebuilds, name, 'sparring.node')));
  }
});
