import { closeSync, fstatSync, openSync } from 'node:fs';
import { Problem } from '../../base/problem';
import { checkFinite } from '../checkFinite';
import type { LinearRole } from '../family';
import type { DecoderConfig } from '../model';
import { readFloats, readRange } from '../readFloats';
import { shownName } from '../shown';
import type { WeightSource } from '../weightSource';
import { transpose } from '../weights';
import { decoders } from './dequantize';
import { GGML_TYPES } from './ggmlTypes';
import { fromGgufName } from './ggufNames';
import { type Gguf, type GgufTensor, readGguf } from './readGguf';

/** An open GGUF file: its header, and any of its tensors in float32 as the file has them. Its owner closes it. */
export class GgufFile {
  readonly header: Gguf;
  private handle: number | undefined;

  constructor(readonly path: string) {
    this.handle = openSync(path, 'r');
    try {
      this.header = readGguf((start, length) => this.bytes(start, length), fstatSync(this.handle).size, path);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private bytes(start: number, length: number): Uint8Array {
    if (this.handle === undefined) throw new Error(`${this.path} is closed`);
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, readRange(this.handle, start, bytes));
  }

  /** All numbers of a tensor. @throws Problem `gguf` for a type that is not read. */
  read(name: string, { type, start, end }: GgufTensor): Float32Array {
    const known = GGML_TYPES.get(type);
    const decode = known && Object.hasOwn(decoders, known.name) ? decoders[known.name] : undefined;
    if (!known || !decode)
      throw new Problem(
        'gguf',
        `tensor ${shownName(name)} has the type ${known?.name ?? `number ${type}`}; supported: ${Object.keys(decoders).join(', ')}. Choose a file of one of these.`,
        { file: this.path },
      );
    if (this.handle === undefined) throw new Error(`${this.path} is closed`);
    const block = { bytes: known.bytes, numbers: known.block };
    return readFloats(
      { handle: this.handle, file: this.path, name: shownName(name), start, end, block },
      decode,
      () => {
        return new Problem('gguf', 'the file was cut off; fetch it again.', { file: this.path });
      },
    );
  }

  close(): void {
    if (this.handle !== undefined) closeSync(this.handle);
    this.handle = undefined;
  }
}

/** The weights of a GGUF file under transformers' names, with undone what llama.cpp's converter does to the numbers. */
export class GgufSource implements WeightSource {
  private readonly found = new Map<string, { gguf: string; tensor: GgufTensor; role?: LinearRole; isNorm: boolean }>();

  /** Owns `file`. */
  constructor(
    private readonly file: GgufFile,
    private readonly config: DecoderConfig,
  ) {
    for (const [gguf, tensor] of file.header.tensors) {
      const named = fromGgufName(gguf, config.family, config.layers);
      if (named) this.found.set(named.name, { gguf, tensor, ...named });
    }
  }

  get place(): string {
    return this.file.path;
  }

  names(): readonly string[] {
    return [...this.found.keys()];
  }

  has(name: string): boolean {
    return this.found.has(name);
  }

  /** What llama.cpp's converter has turned or changed would not be what stands in the file. */
  sixteenBits(): undefined {
    return undefined;
  }

  read(name: string, shape: readonly number[]): Float32Array {
    const found = this.found.get(name);
    if (!found) throw new Problem('weights', `tensor ${name} is missing in the file.`, { file: this.place });
    const { gguf, tensor, role, isNorm } = found;
    // Conv1D weights are stored [in, out] by transformers and [out, in] here.
    const turned = role !== undefined && shape.length === 2 && this.config.family.stored === 'inOut';
    const stored = turned ? [...shape].reverse() : shape;
    if (tensor.shape.join() !== stored.join())
      throw new Problem(
        'weights',
        `tensor ${gguf} has the shape [${tensor.shape}], the file's sizes ask for [${stored}].`,
        {
          file: this.place,
        },
      );
    const values = checkFinite(this.file.read(gguf, tensor), gguf, this.place);
    if (turned) return transpose(values, stored[0] as number, stored[1] as number);
    if (isNorm && this.config.family.norm === 'rms+1') return values.map((value) => value - 1);
    const { heads, keyValueHeads, headDim, modelType } = this.config;
    if (role === 'qkv' && this.config.family.fused === 'heads') return interleaved(values, heads);
    if (modelType === 'llama' || modelType === 'mistral') {
      if (role === 'q') return unpermuted(values, heads, headDim);
      if (role === 'k') return unpermuted(values, keyValueHeads, headDim);
    }
    return values;
  }

  close(): void {
    this.file.close();
  }
}

/**
 * Rows of each head, stored in pairs (first half's, second half's, ...), back to first half and second half.
 * values [heads * headDim, in] or [heads * headDim]
 */
function unpermuted(values: Float32Array, heads: number, headDim: number): Float32Array {
  const width = values.length / (heads * headDim);
  const result = new Float32Array(values.length);
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < headDim; row++) {
      const from = (head * headDim + row) * width;
      const to = (row % 2) * (headDim / 2) + (row >> 1);
      result.set(values.subarray(from, from + width), (head * headDim + to) * width);
    }
  return result;
}

/** q, k and v one after another, back to q, k, v of each head in turn. values [3 * heads * hd, in] or [3 * heads * hd] */
function interleaved(values: Float32Array, heads: number): Float32Array {
  const width = values.length / (3 * heads);
  const result = new Float32Array(values.length);
  for (let part = 0; part < 3; part++)
    for (let head = 0; head < heads; head++) {
      const from = (part * heads + head) * width;
      result.set(values.subarray(from, from + width), (head * 3 + part) * width);
    }
  return result;
}
