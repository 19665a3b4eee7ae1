import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { decodeFloats, decodeSafetensors, encodeSafetensors } from '../../src/model/safetensors';

const file = (header: object | string, bytes = 0): Uint8Array => {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const result = new Uint8Array(8 + text.length + bytes);
  new DataView(result.buffer).setBigUint64(0, BigInt(text.length), true);
  result.set(text, 8);
  return result;
};
const broken = (bytes: Uint8Array, says: RegExp) =>
  assert.throws(
    () => decodeSafetensors(bytes, 'x.safetensors'),
    (error) =>
      error instanceof Problem &&
      error.data.code === 'safetensors' &&
      error.data.file === 'x.safetensors' &&
      says.test(error.message),
  );

test('tensors come back bit for bit, and equal tensors give equal bytes', () => {
  const data = Float32Array.from([1, -0, 3.4e38, 1e-45, Math.PI, Number.NEGATIVE_INFINITY]);
  const tensors = {
    b: { shape: [2, 3], data },
    a: { shape: [], data: Float32Array.of(7) },
    none: { shape: [0], data: new Float32Array() },
  };
  const bytes = encodeSafetensors(tensors);
  const back = decodeSafetensors(bytes);
  assert.deepEqual(Object.keys(back).sort(), ['a', 'b', 'none']);
  assert.deepEqual(new Uint32Array(back['b']!.data.buffer), new Uint32Array(data.buffer));
  assert.deepEqual(back['b']!.shape, [2, 3]);
  assert.deepEqual(encodeSafetensors({ none: tensors.none, a: tensors.a, b: tensors.b }), bytes);
  // A view into a larger buffer, not aligned, as Node's Buffers are.
  const shifted = Buffer.concat([Buffer.from('x'), bytes]).subarray(1);
  assert.deepEqual(decodeSafetensors(shifted), back);
  assert.throws(() => encodeSafetensors({ a: { shape: [2], data: Float32Array.of(1) } }), /has 2 numbers/);
});

test('every half-precision number survives, and others round to the nearest even one', () => {
  const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const floats = decodeFloats(new Uint8Array(halves.buffer), 'F16');
  const again = decodeSafetensors(encodeSafetensors({ x: { shape: [65536], data: floats, dtype: 'F16' } }))['x']!.data;
  assert.deepEqual(again, floats);
  const round = (x: number) =>
    decodeSafetensors(encodeSafetensors({ x: { shape: [1], data: Float32Array.of(x), dtype: 'F16' } }))['x']!.data[0];
  assert.equal(floats[1], 2 ** -24);
  assert.equal(floats[0x3c01], 1 + 2 ** -10);
  assert.equal(round(1 + 2 ** -11), 1); // a tie goes to the even neighbour
  assert.equal(round(1 + 3 * 2 ** -11), 1 + 2 ** -9);
  assert.equal(round(65519), 65504);
  assert.equal(round(65520), Number.POSITIVE_INFINITY);
  assert.equal(round(2 ** -25), 0);
  assert.equal(round(1.5 * 2 ** -24), 2 ** -23);
  assert.equal(round(2 ** -14 - 2 ** -26), 2 ** -14);
});

test('bfloat16 is the upper half of a float32', () => {
  const bits = Uint16Array.of(0x3f80, 0xc049, 0x0001);
  const floats = decodeFloats(new Uint8Array(bits.buffer), 'BF16');
  assert.deepEqual(Array.from(new Uint32Array(floats.buffer)), [0x3f800000, 0xc0490000, 0x00010000]);
});

test('a broken file is one problem that says what is wrong', () => {
  const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  broken(new Uint8Array(3), /3 bytes are no/);
  broken(file({ x: good }, 8).subarray(0, 30), /header claims/);
  const huge = file({ x: good }, 8);
  new DataView(huge.buffer).setBigUint64(0, 2n ** 63n, true);
  broken(huge, /header claims/);
  broken(file('{"x":', 8), /not JSON/);
  broken(file('[]'), /not an object/);
  broken(file({ x: { ...good, dtype: 'F23' } }, 8), /type F23/);
  broken(file({ x: { ...good, dtype: 'I32' } }, 8), /type I32; supported: F32, F16, BF16/);
  broken(file({ x: { ...good, shape: [-2] } }, 8), /shape \[-2\]/);
  broken(file({ x: { ...good, shape: [3] } }, 8), /should take 12 bytes and takes 8/);
  broken(file({ x: { ...good, data_offsets: [0] } }, 8), /range/);
  broken(file({ x: null }, 8), /the type undefined/);
  broken(file({ x: { ...good, shape: [2 ** 60] } }, 8), /shape \[1152921504606847000\]/);
  broken(file({ x: { ...good, shape: [2 ** 30, 2 ** 30] } }, 8), /should take 4611686018427388000 bytes and takes 8/);
  broken(file({ x: { ...good, data_offsets: [0, 2 ** 60] } }, 8), /range/);
  broken(file({ x: { ...good, data_offsets: [8, 0] } }, 8), /should take 8 bytes and takes -8/);
  const text = JSON.stringify(good);
  broken(file(`{"x":${text},"x":${text}}`, 8), /the header has x twice/);
  broken(file(`{"x":${text},"\\u0078" :${text}}`, 8), /the header has x twice/);
  broken(file(text.replace('{', '{"dtype":"F16",').replace(/^(.*)$/, '{"x":$1}'), 8), /the header has dtype twice/);
  broken(file(`\ufeff{"x":${text}}`, 8), /not JSON/);
  // Neither does a lie about a type run code or recurse, nor does a name fill the screen.
  broken(file(`{"x":{"dtype":{"toString":1,"valueOf":1}}}`), /the type an object/);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  broken(file(`{"x":{"dtype":"F32","shape":${deep}}}`), /has the shape a list/);
  broken(
    file({ [`\u001b[31m\u009b\u202e${'n'.repeat(1e5)}`]: null }),
    /^tensor "\\u001b\[31m\\u009b\\u202en{10,60}\.\.\." has/,
  );
  const noText = file('{"x":1}');
  noText[10] = 0xff;
  broken(noText, /not JSON/);
  broken(file({ x: good }, 4), /ends at byte/);
  broken(file({ x: good }, 12), /4 bytes belong to no tensor/);
  broken(file({ x: good, y: good }, 8), /overlaps/);
  broken(file({ x: good, y: { ...good, data_offsets: [12, 20] } }, 20), /gap/);
});
