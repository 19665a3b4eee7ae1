import * as tf from '@tensorflow/tfjs-core';
import { freeCompiled, outsideRecording } from '../tensor/jit';
import type { DecoderConfig } from './model';

/** What the decoder needs besides weights and depends on shapes only: made once per shape, kept, freed with the model. */
export class Constants {
  private readonly made = new Map<string, tf.Tensor[]>();

  /** The tensors under `key`, made by `make` the first time. The longest unused of too many are freed. */
  get(key: string, make: () => tf.Tensor[]): tf.Tensor[] {
    const found = this.made.get(key);
    const usable = found?.every((tensor) => !tensor.isDisposed) ? found : undefined;
    const tensors = usable ?? outsideRecording(() => tf.tidy(make)).map((tensor) => tf.keep(tensor));
    this.made.delete(key); // a map keeps the order of insertion: the last used stands last
    this.made.set(key, tensors);
    if (this.made.size > MOST_SHAPES) {
      const [unused] = this.made.keys();
      if (unused !== undefined) this.free(unused);
    }
    return tensors;
  }

  private free(key: string): void {
    tf.dispose(this.made.get(key) ?? []);
    this.made.delete(key);
  }

  close(): void {
    for (const key of [...this.made.keys()]) this.free(key);
  }
}

const MOST_SHAPES = 64;
const owners = new WeakMap<DecoderConfig, Constants>();

/** The constants of a decoder; one set per config object. */
export function constantsOf(config: DecoderConfig): Constants {
  const found = owners.get(config) ?? new Constants();
  owners.set(config, found);
  return found;
}

/** Frees what decode has made for this config, and what was compiled with it. Model.close calls it; who builds a config without openModel calls it too. */
export function freeConstants(config: DecoderConfig): void {
  owners.get(config)?.close();
  freeCompiled(config);
}
