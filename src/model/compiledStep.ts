import * as tf from '@tensorflow/tfjs-core';
import { compiles, jit, runsSideBySide } from '../tensor/jit';
import { tidied } from '../tensor/tidied';
import { MASKED } from './attention';
import { type Cache, freeCache } from './cache';
import { decode, embed, logits } from './decoder';
import { dependsOnLength } from './frequencies';
import type { DecoderConfig, Model, Weights } from './model';
import { isInJavaScript, isPacked } from './packed';

// One more token of every row as one compiled function. Its shapes do not change from token to token: the cache has places to spare, the new
// keys and values are attended to behind all of them and then written to the first free one, and a mask hides those that are still empty.

/** A cache with `length` of its places in use, the others 0: layers [B * KV, places, hd]. */
export type RoomyCache = Cache;

/** Rows of places: so many functions at most for texts of any length. */
const PLACES = 64;

/**
 * Multiply-adds of the logits, by far a token's largest product, up to which every op is left to one thread on the native engine: what the
 * threads no longer wait for one another is more than what they could share. Measured: 1.9 times as fast at 1 million, 1.1 at 25, .84 at 226.
 */
const MOST_ON_ONE_THREAD = 2 ** 26;

/** Whether tokens can be computed so: with windows, learned positions or frequencies that follow the length, places would have to be positions. */
export function stepsCompile(config: DecoderConfig, weights: Weights): boolean {
  const plain = weights.layers.every((layer) =>
    Object.values(layer.linear).every(({ weight }) => !isPacked(weight) || !isInJavaScript(weight)),
  );
  const placed = config.windowed.some((windowed) => windowed) || weights.positions || dependsOnLength(config.rope);
  return compiles() && plain && !placed;
}

/** The cache with room for `more` tokens. Takes it over. */
export function makeRoom(cache: Cache, more: number): RoomyCache {
  const places = Math.ceil((cache.length + more) / PLACES) * PLACES;
  const pad = (x: tf.Tensor3D) =>
    tf.pad(x, [
      [0, 0],
      [0, places - x.shape[1]],
      [0, 0],
    ]) as tf.Tensor3D;
  const layers = cache.layers.map(({ k, v }) => ({ k: pad(k), v: pad(v) }));
  freeCache(cache);
  return { layers, length: cache.length };
}

/** Logits [B, V] behind one more token of every row, and the cache with it. Leaves what it is given. */
export function compiledStep(
  model: Pick<Model, 'config'>,
  weights: Weights,
  cache: RoomyCache,
  { ids, padding }: { ids: readonly number[]; padding: readonly number[] },
): { logits: tf.Tensor2D; cache: RoomyCache } {
  const { layers, length } = cache;
  const places = layers[0]?.k.shape[1] ?? 0;
  const rows = ids.length;
  const mask = new Float32Array(rows * (places + 1)).fill(MASKED);
  padding.forEach((pad, row) => {
    const at = row * (places + 1);
    mask.fill(0, at + pad, at + length);
    mask[at + places] = 0; // its own
  });
  const slot = new Float32Array(places);
  slot[length] = 1;
  const args = {
    weights,
    layers,
    ids: tf.tensor2d([...ids], [rows, 1], 'int32'),
    positions: tf.tensor2d(
      padding.map((pad) => length - pad),
      [rows, 1],
      'int32',
    ),
    mask: tf.tensor3d(mask, [rows, 1, places + 1]),
    slot: tf.tensor3d(slot, [1, places, 1]),
  };
  try {
    const next = jit(model.config, 'next token', args, (given) =>
      tidied(() => {
        if (rows * model.config.hiddenSize * model.config.vocabularySize <= MOST_ON_ONE_THREAD) runsSideBySide();
        const input = { positions: given.positions, mask: given.mask, cache: { layers: given.layers, length: places } };
        const decoded = decode(model, given.weights, { embeddings: embed(given.weights, given.ids), ...input });
        const hidden = tf.reshape(decoded.hidden, [rows, -1]) as tf.Tensor2D;
        const written = (old: tf.Tensor3D, grown: tf.Tensor3D) =>
          tf.add(old, tf.mul(tf.slice(grown, [0, places, 0], [-1, 1, -1]), given.slot)) as tf.Tensor3D;
        return {
          logits: logits(model.config, given.weights, hidden),
          layers: (decoded.cache?.layers ?? []).map(({ k, v }, i) => {
            const old = given.layers[i] as (typeof given.layers)[number];
            return { k: written(old.k, k), v: written(old.v, v) };
          }),
        };
      }),
    );
    return { logits: next.logits, cache: { layers: next.layers, length: length + 1 } };
  } finally {
    tf.dispose([args.ids, args.positions, args.mask, args.slot]);
  }
}
