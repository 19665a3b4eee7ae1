import { readSync } from 'node:fs';
import { Problem } from '../base/problem';

/** Bytes of one part: a system call takes less than 2 GiB, and tensors are larger than that. */
const PART = 1 << 22;

export interface FloatRange {
  /** Of the open file. */
  handle: number;
  file: string;
  /** The tensor's name, for messages. */
  name: string;
  /** Bytes from the start of the file. */
  start: number;
  end: number;
  /** So many numbers take so many bytes; a part of the file is a whole number of such blocks. */
  block: { bytes: number; numbers: number };
}

/**
 * The numbers of a range, read and decoded in parts, so that no more than the result and one part are in memory. `decode` fills `out`.
 * @throws Problem `weights` where memory does not suffice, and what `cutOff` gives where the file ends too early.
 */
export function readFloats(
  range: FloatRange,
  decode: (bytes: Uint8Array, out: Float32Array) => void,
  cutOff: () => Problem,
): Float32Array {
  const { handle, start, end, block } = range;
  const result = roomFor(range, (count) => new Float32Array(count), ((end - start) / block.bytes) * block.numbers);
  const size = Math.max(1, Math.floor(PART / block.bytes)) * block.bytes;
  const part = new Uint8Array(Math.min(size, end - start));
  for (let at = start; at < end; at += size) {
    const bytes = part.subarray(0, Math.min(size, end - at));
    if (readRange(handle, at, bytes) < bytes.length) throw cutOff();
    const first = ((at - start) / block.bytes) * block.numbers;
    decode(bytes, result.subarray(first, first + (bytes.length / block.bytes) * block.numbers));
  }
  return result;
}

/** @throws Problem `weights` where memory does not suffice. */
export function roomFor<Room extends Float32Array | Uint8Array>(
  { name, file }: Pick<FloatRange, 'name' | 'file'>,
  make: (count: number) => Room,
  count: number,
): Room {
  try {
    return make(count);
  } catch {
    const gigabytes = ((make(0).BYTES_PER_ELEMENT * count) / 2 ** 30).toFixed(1);
    throw new Problem('weights', `tensor ${name} takes ${gigabytes} GiB, more than there is; choose a smaller model.`, {
      file,
    });
  }
}

/** Fills `into` from byte `start` on; how many bytes there were. */
export function readRange(handle: number, start: number, into: Uint8Array): number {
  let done = 0;
  for (let count = -1; done < into.length && count !== 0; done += count)
    count = readSync(handle, into, done, Math.min(into.length - done, 1 << 30), start + done);
  return done;
}
