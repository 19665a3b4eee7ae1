import type { Problem } from '../../base/problem';

/** `length` bytes from byte `start` on, fewer at the end of the file. */
export type ReadAt = (start: number, length: number) => Uint8Array;

const CHUNK = 1 << 20;
/** A byte order mark is a part of the text: vocabularies have tokens that begin with one. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads numbers and texts one after another, little endian, in chunks of a file; what lies beyond `limit` is a Problem. */
export class ByteReader {
  at = 0;
  private chunk: Uint8Array = new Uint8Array(0);
  private chunkStart = 0;

  constructor(
    private readonly readAt: ReadAt,
    private readonly limit: number,
    private readonly broken: (what: string) => Problem,
  ) {}

  private take(length: number): { view: DataView; bytes: Uint8Array } {
    if (this.at + length > this.limit) throw this.broken(`the header ends at byte ${this.limit}, too early`);
    if (this.at < this.chunkStart || this.at + length > this.chunkStart + this.chunk.length) {
      this.chunk = this.readAt(this.at, Math.min(Math.max(length, CHUNK), this.limit - this.at));
      this.chunkStart = this.at;
      if (this.chunk.length < length) throw this.broken('the file is shorter than it was');
    }
    const start = this.at - this.chunkStart;
    this.at += length;
    const bytes = this.chunk.subarray(start, start + length);
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, length) };
  }

  u8(): number {
    return this.take(1).view.getUint8(0);
  }

  u16(): number {
    return this.take(2).view.getUint16(0, true);
  }

  u32(): number {
    return this.take(4).view.getUint32(0, true);
  }

  f32(): number {
    return this.take(4).view.getFloat32(0, true);
  }

  f64(): number {
    return this.take(8).view.getFloat64(0, true);
  }

  /** A whole number of 64 bits; a bigint where a number would lose digits. */
  wide(signed: boolean): number | bigint {
    const { view } = this.take(8);
    const value = signed ? view.getBigInt64(0, true) : view.getBigUint64(0, true);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** Of 64 bits, but small enough to count with. */
  u64(): number {
    const value = this.wide(false);
    if (typeof value === 'bigint') throw this.broken(`the header claims a size of ${value}`);
    return value;
  }

  /** How many of something follow, each of `least` bytes at least: never more than the rest of the file can hold. */
  count(what: string, least: number): number {
    const value = this.wide(false);
    if (typeof value === 'bigint' || value * least > this.limit - this.at)
      throw this.broken(`the header claims ${value} ${what}`);
    return value;
  }

  text(what: string): string {
    const length = this.wide(false);
    if (typeof length === 'bigint' || length > this.limit - this.at)
      throw this.broken(`${what} claims to be ${length} bytes long`);
    return decoder.decode(this.take(length).bytes);
  }
}
