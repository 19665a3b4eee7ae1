/** Where a model's numbers come from, one tensor at a time: the shards of a folder, or a GGUF file. Its owner closes it. */
export interface WeightSource {
  /** The folder or file, for messages. */
  readonly place: string;
  /** All tensors, by the names that transformers gives them in safetensors files. */
  names(): readonly string[];
  has(name: string): boolean;
  /** Where its numbers have 16 bits each and can be had as they stand in the file. */
  sixteenBits(name: string): SixteenBits | undefined;
  /**
   * One tensor in float32, row-major, in the shape transformers stores it in (linear layers [out, in]).
   * @throws Problem `weights` where it is missing or has another shape, `safetensors` or `gguf` where the file is broken.
   */
  read(name: string, shape: readonly number[]): Float32Array;
  close(): void;
}

export interface SixteenBits {
  kind: 'bfloat16' | 'float16';
  /** The numbers' bytes, little endian, of a tensor that has this shape. @throws Problem as WeightSource.read does */
  read(shape: readonly number[]): Uint8Array;
}
