import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import { Random } from '../../src/base/random';
import { decoders } from '../../src/model/gguf/dequantize';
import { readFloats } from '../../src/model/readFloats';
import { temporaryFolder } from '../temporaryFolder';

test('a tensor read in parts is the tensor, whatever its blocks', () => {
  const file = join(temporaryFolder(), 'x.bin');
  const random = new Random(1);
  // Three parts, the last of them short; the range begins at an odd byte.
  const blocks = 50_000;
  const bytes = Uint8Array.from({ length: 3 + 210 * blocks }, () => random.int(256));
  writeFileSync(file, bytes);
  const handle = openSync(file, 'r');
  const cutOff = () => new Problem('gguf', 'cut off', { file });
  for (const [type, block] of [
    ['Q6_K', { bytes: 210, numbers: 256 }],
    ['F16', { bytes: 2, numbers: 1 }],
    ['F32', { bytes: 4, numbers: 1 }],
  ] as const) {
    const decode = decoders[type] ?? assert.fail();
    const length = Math.floor((210 * blocks) / block.bytes) * block.bytes;
    const range = { handle, file, name: 'x', start: 3, end: 3 + length, block };
    const right = new Float32Array((length / block.bytes) * block.numbers);
    decode(bytes.subarray(3, 3 + length), right);
    const found = readFloats(range, decode, cutOff);
    // As bits, since random ones are NaN now and then.
    assert.equal(Buffer.compare(Buffer.from(found.buffer), Buffer.from(right.buffer)), 0, type);
    assert.throws(() => readFloats({ ...range, end: range.end + block.bytes * 4 }, decode, cutOff), /cut off/);
    const vast = { ...range, end: 3 + block.bytes * 2 ** 40 };
    assert.throws(() => readFloats(vast, decode, cutOff), /tensor x takes \d+\.0 GiB, more than there is/);
  }
  closeSync(handle);
});
