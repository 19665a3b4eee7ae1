/** Where a model's numbers come from, one tensor at a time: the shards of a folder, or a GGUF file. Its owner closes it. */
export interface WeightSource {
  /** The folder or file, for messages. */
  readonly place: string;
  /** All tensors, by the names that transformers gives them in safetensors files. */
  names(): readonly string[];
  has(name: string): boolean;
  /**
   * One tensor in float32, row-major, in the shape transformers stores it in (linear layers [out, in]).
   * @throws Problem `weights` where it is missing or has another shape, `safetensors` or `gguf` where the file is broken.
   */
  read(name: string, shape: readonly number[]): Float32Array;
  close(): void;
}
