import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { HEAD_WIDTH, hasFused } from '../tensor/fused';
import { compiles, jit } from '../tensor/jit';
import { tidied } from '../tensor/tidied';
import { MASKED } from './attention';
import { type Cache, freeCache } from './cache';
import { type DecoderInput, decode, embed, logits } from './decoder';
import { dependsOnLength, frequenciesOf } from './frequencies';
import type { DecoderConfig, Model, Weights } from './model';
import { isInJavaScript, isPacked } from './packed';

// One more token of every row as one compiled function. Its shapes do not change from token to token: the cache has places to spare. Where the
// engine has fused ops, each layer's op writes the token's key and value to the first free place of the cache that it is given, and looks at no
// place that is still empty. Elsewhere they are attended to behind all places, a mask hides the empty ones, and a new cache is made with them.

/**
 * A cache with `length` of its places in use, the others 0. Layers [B * KV, places, hd]; with fused ops the keys [B * KV, hd, places] and
 * the values' last size a multiple of HEAD_WIDTH.
 */
export type RoomyCache = Cache;

/** Rows of places: so many functions at most for texts of any length. */
const PLACES = 64;

/** Whether tokens can be computed so: not where frequencies change with every token; without fused ops, not where places would have to be positions. */
export function stepsCompile({ rope, windowed }: DecoderConfig, weights: Weights): boolean {
  const plain = weights.layers.every((layer) =>
    Object.values(layer.linear).every(({ weight }) => !isPacked(weight) || !isInJavaScript(weight)),
  );
  if (!compiles() || !plain || rope?.scaling?.type === 'dynamic') return false;
  return hasFused() || !(windowed.some((one) => one) || weights.positions || dependsOnLength(rope));
}

/** The cache with room for `more` tokens. Takes it over. */
export function makeRoom(cache: Cache, more: number): RoomyCache {
  const places = Math.ceil((cache.length + more) / PLACES) * PLACES;
  const padded = (x: tf.Tensor3D, second: number, third: number) =>
    tf.pad(x, [
      [0, 0],
      [0, second - x.shape[1]],
      [0, third - x.shape[2]],
    ]) as tf.Tensor3D;
  const layers = cache.layers.map(({ k, v }) =>
    tidied(() => {
      const size = k.shape[2];
      if (!hasFused()) return { k: padded(k, places, size), v: padded(v, places, size) };
      const wide = Math.ceil(size / HEAD_WIDTH) * HEAD_WIDTH;
      return { k: padded(tf.transpose(k, [0, 2, 1]), size, places), v: padded(v, places, wide) };
    }),
  );
  freeCache(cache);
  return { layers, length: cache.length };
}

/** A token of every row, and how many places of its own row's cache are padding. */
interface Next {
  ids: readonly number[];
  padding: readonly number[];
}

/**
 * Logits [B, V] behind one more token of every row, and the cache with it. Takes the cache over.
 * @throws Problem `tooLong` where positions are learned and the text is longer than they reach.
 */
export function compiledStep(
  model: Pick<Model, 'config'>,
  weights: Weights,
  cache: RoomyCache,
  next: Next,
): { logits: tf.Tensor2D; cache: RoomyCache } {
  const { config } = model;
  const { length } = cache;
  const rows = next.ids.length;
  if (weights.positions && length >= config.maxPositions)
    throw new Problem(
      'tooLong',
      `a text has ${length + 1} tokens, the model has positions for ${config.maxPositions}.`,
    );
  // Other frequencies are another function.
  const turns =
    dependsOnLength(config.rope) && config.rope ? frequenciesOf(config.rope, length + 1).inverse.join() : '';
  const ids = tf.tensor2d([...next.ids], [rows, 1], 'int32');
  const positions = tf.tensor2d(
    next.padding.map((pad) => length - pad),
    [rows, 1],
    'int32',
  );
  const compute = (given: { weights: Weights; ids: tf.Tensor2D }, input: Omit<DecoderInput, 'embeddings'>) => {
    const decoded = decode(model, given.weights, {
      embeddings: embed(given.weights, given.ids),
      seen: length + 1,
      ...input,
    });
    const hidden = tf.reshape(decoded.hidden, [rows, -1]) as tf.Tensor2D;
    return { scores: logits(config, given.weights, hidden), layers: decoded.cache?.layers ?? [] };
  };
  const common = { weights, layers: cache.layers, ids, positions };
  if (hasFused()) {
    const room = placesSeen(config, length, next.padding);
    try {
      const scores = jit(config, `next token ${turns}`, { ...common, room }, (given) =>
        tidied(() => {
          const input = { positions: given.positions, room: given.room, cache: { layers: given.layers, length } };
          return compute(given, input).scores;
        }),
      );
      return { logits: scores, cache: { layers: cache.layers, length: length + 1 } };
    } finally {
      tf.dispose([ids, positions, room.full, room.windowed]);
    }
  }
  const { mask, slot } = maskAndSlot(cache, next.padding);
  const places = slot.shape[1];
  try {
    const made = jit(config, 'next token', { ...common, mask, slot }, (given) =>
      tidied(() => {
        const input = { positions: given.positions, mask: given.mask, cache: { layers: given.layers, length: places } };
        const { scores, layers } = compute(given, input);
        const written = (old: tf.Tensor3D, grown: tf.Tensor3D) =>
          tf.add(old, tf.mul(tf.slice(grown, [0, places, 0], [-1, 1, -1]), given.slot)) as tf.Tensor3D;
        return {
          logits: scores,
          layers: layers.map(({ k, v }, i) => {
            const old = given.layers[i] as (typeof given.layers)[number];
            return { k: written(old.k, k), v: written(old.v, v) };
          }),
        };
      }),
    );
    freeCache(cache);
    return { logits: made.logits, cache: { layers: made.layers, length: length + 1 } };
  } finally {
    tf.dispose([ids, positions, mask, slot]);
  }
}

/** Per kind of layer: from which place on a row's token sees the cache, and its own place. */
function placesSeen({ window }: DecoderConfig, length: number, padding: readonly number[]) {
  const places = (within: number) =>
    tf.tensor2d(
      padding.flatMap((pad) => [Math.max(pad, length + 1 - within), length]),
      [padding.length, 2],
      'int32',
    );
  return { full: places(Number.POSITIVE_INFINITY), windowed: places(window ?? Number.POSITIVE_INFINITY) };
}

/** What hides the padding and the empty places, [B, 1, places + 1], and 1 where the token's place is, [1, places, 1]. */
function maskAndSlot({ layers, length }: RoomyCache, padding: readonly number[]) {
  const places = layers[0]?.k.shape[1] ?? 0;
  const rows = padding.length;
  const mask = new Float32Array(rows * (places + 1)).fill(MASKED);
  padding.forEach((pad, row) => {
    const at = row * (places + 1);
    mask.fill(0, at + pad, at + length);
    mask[at + places] = 0; // its own
  });
  const slot = new Float32Array(places);
  slot[length] = 1;
  return { mask: tf.tensor3d(mask, [rows, 1, places + 1]), slot: tf.tensor3d(slot, [1, places, 1]) };
}
