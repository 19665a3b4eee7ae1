import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunRecord } from '../../src/records/record';
import { crc32c, eventsFile } from '../../src/run/tensorBoard';

test('CRC-32C has the check value of its specification', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  // RFC 3720, B.4: 32 bytes of zeros
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
});

/** Reads the records of an events file back, checking both sums of each. */
function readBack(bytes: Uint8Array): Buffer[] {
  const buffer = Buffer.from(bytes);
  const masked = (data: Uint8Array) => {
    const crc = crc32c(data);
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  };
  const found: Buffer[] = [];
  for (let at = 0; at < buffer.length; ) {
    const length = Number(buffer.readBigUInt64LE(at));
    assert.equal(buffer.readUInt32LE(at + 8), masked(buffer.subarray(at, at + 8)));
    const data = buffer.subarray(at + 12, at + 12 + length);
    assert.equal(buffer.readUInt32LE(at + 12 + length), masked(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

test('an events file holds a version, then one event for each step and rate', () => {
  const rate = { value: 0.5, n: 2, low: 0, high: 1 };
  const records: RunRecord[] = [
    { v: 1, time: 1000, kind: 'progress', phase: 'before', step: 0, metric: 'leak', done: 0, total: 2 },
    { v: 1, time: 2000, kind: 'rate', phase: 'before', step: 0, metric: 'leak', rate, seconds: 1 },
    {
      v: 1,
      time: 3000,
      kind: 'step',
      step: 300,
      epoch: 0,
      learningRate: 0.25,
      gradientNorm: 1,
      losses: { total: 1.5 },
      rows: { adversarial: 1, utility: 0 },
      tokens: 1,
      seconds: 1,
      memory: 1,
    },
  ];
  const [version, leak, step, ...more] = readBack(eventsFile(records));
  assert.equal(more.length, 0);
  assert.match(version?.toString('latin1') ?? '', /brain\.Event:2/);
  assert.match(leak?.toString('latin1') ?? '', /rate\/leak/);
  const text = step?.toString('latin1') ?? '';
  for (const tag of ['loss/total', 'training/learningRate', 'training/gradientNorm'])
    assert.ok(text.includes(tag), tag);
  assert.ok(!text.includes('attack/'), 'a step without attack has no attack tags');
  // wall_time 3 s, then step 300 as a varint
  assert.equal(step?.readDoubleLE(1), 3);
  assert.deepEqual([...(step?.subarray(9, 12) ?? [])], [0x10, 0xac, 0x02]);
});
