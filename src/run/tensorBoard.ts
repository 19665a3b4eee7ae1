import type { RunRecord } from '../records/record';

// A TensorBoard events file: TFRecords (length, masked CRC-32C of it, data, masked CRC-32C of that) of Event messages, see
// tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto. Scalars only.

const POLYNOMIAL = 0x82f63b78; // Castagnoli, reflected
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli) of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (TABLE[(value ^ byte) & 255] as number);
  return (value ^ 0xffffffff) >>> 0;
}

function maskedCrc(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const result = Buffer.alloc(4);
  result.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return result;
}

function tfRecord(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

const key = (field: number, wire: number): Buffer => varint(field * 8 + wire);
const bytesField = (field: number, data: Buffer): Buffer => Buffer.concat([key(field, 2), varint(data.length), data]);

function doubleField(field: number, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), data]);
}

function floatField(field: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, 5), data]);
}

/** wall_time = 1, step = 2, file_version = 3, summary = 5 { value = 1 { tag = 1, simple_value = 2 } }. */
function event(seconds: number, content: Buffer, step = 0): Buffer {
  return tfRecord(Buffer.concat([doubleField(1, seconds), key(2, 0), varint(step), content]));
}

function scalars(seconds: number, step: number, values: { readonly [tag: string]: number | undefined }): Buffer {
  const list = Object.entries(values).flatMap(([tag, value]) =>
    value === undefined ? [] : [bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)]))],
  );
  return list.length === 0 ? Buffer.alloc(0) : event(seconds, bytesField(5, Buffer.concat(list)), step);
}

function valuesOf(
  record: RunRecord,
): { step: number; values: { readonly [tag: string]: number | undefined } } | undefined {
  switch (record.kind) {
    case 'step': {
      const losses = Object.entries(record.losses).map(([name, value]) => [`loss/${name}`, value] as const);
      return {
        step: record.step,
        values: {
          ...Object.fromEntries(losses),
          'attack/lossBefore': record.attack?.before,
          'attack/lossAfter': record.attack?.after,
          'training/learningRate': record.learningRate,
          'training/gradientNorm': record.gradientNorm,
          'training/seconds': record.seconds,
        },
      };
    }
    case 'rate':
      return { step: record.step, values: { [`rate/${record.metric}`]: record.rate.value } };
    case 'attack':
      return { step: record.step, values: { [`attackSuccess/${record.attack}@${record.epsilon}`]: record.rate.value } };
    default:
      return undefined;
  }
}

/** The bytes of an events file with every number of these records. */
export function eventsFile(records: readonly RunRecord[]): Uint8Array {
  const began = (records[0]?.time ?? 0) / 1000;
  const parts = [event(began, bytesField(3, Buffer.from('brain.Event:2')))];
  for (const record of records) {
    const found = valuesOf(record);
    if (found) parts.push(scalars(record.time / 1000, found.step, found.values));
  }
  return Buffer.concat(parts);
}
