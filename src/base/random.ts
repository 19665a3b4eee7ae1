const TWO_32 = 4294967296;

/** A stream given by name is hashed to 32 bits (FNV-1a over its UTF-16 units). */
function streamNumber(stream: number | string): number {
  if (typeof stream === 'number') return stream >>> 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < stream.length; i++) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * 32 random bits as a pure function of where they are asked for. The mix is pcg4d of Jarzynski and Olano, "Hash Functions for GPU
 * Rendering" (JCGT 2020): one linear congruential step, then two rounds of cross products. Seeds and counters may have up to 53 bits.
 */
function bits(seed: number, stream: number, counter: number): number {
  let x = Math.imul(counter | 0, 1664525) + 1013904223;
  let y = Math.imul(stream | 0, 1664525) + 1013904223;
  let z = Math.imul(seed | 0, 1664525) + 1013904223;
  const high = Math.imul(Math.floor(seed / TWO_32), 0x9e3779b1) + Math.floor(counter / TWO_32);
  let w = Math.imul(high, 1664525) + 1013904223;
  for (let round = 0; round < 2; round++) {
    x = (x + Math.imul(y, w)) | 0;
    y = (y + Math.imul(z, x)) | 0;
    z = (z + Math.imul(x, y)) | 0;
    w = (w + Math.imul(y, z)) | 0;
    if (round === 0) {
      x ^= x >>> 16;
      y ^= y >>> 16;
      z ^= z >>> 16;
      w ^= w >>> 16;
    }
  }
  return w >>> 0;
}

/** A number in [0, 1) with 32 random bits: the one at place `counter` of a stream. Pure, so any number can be made again alone. */
export function uniform32(seed: number, stream: number | string, counter: number): number {
  return bits(seed, streamNumber(stream), counter) / TWO_32;
}

/** Where a generator stands: three plain numbers, so that a checkpoint can hold it. */
export interface RandomState {
  seed: number;
  stream: number;
  counter: number;
}

/**
 * Numbers of one stream in order. Two generators with the same state give the same numbers for ever; different streams of one
 * seed are independent. Restore one with `new Random(state.seed, state.stream, state.counter)`.
 */
export class Random {
  readonly seed: number;
  readonly stream: number;
  private counter: number;

  constructor(seed: number, stream: number | string = 0, counter = 0) {
    this.seed = seed;
    this.stream = streamNumber(stream);
    this.counter = counter;
  }

  get state(): RandomState {
    return { seed: this.seed, stream: this.stream, counter: this.counter };
  }

  /** Uniform in [0, 1). */
  next(): number {
    return uniform32(this.seed, this.stream, this.counter++);
  }

  /** A whole number in 0 .. n - 1. */
  int(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** Standard normal (Box and Muller; two uniforms each, so that the state stays one counter). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(list: readonly T[]): T[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  /** One of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('Random.pick was given an empty list');
    return list[this.int(list.length)] as T;
  }
}
