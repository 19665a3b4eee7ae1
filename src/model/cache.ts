import * as tf from '@tensorflow/tfjs-core';

/** Keys and values of the tokens already seen: per layer [B * keyValueHeads, S, headDim]. Its owner frees it. */
export interface Cache {
  layers: { k: tf.Tensor3D; v: tf.Tensor3D }[];
  /** S: tokens seen, padding included. */
  length: number;
}

/** A cache with nothing in it: decode given this one returns one with the tokens it has seen. */
export function emptyCache(): Cache {
  return { layers: [], length: 0 };
}

/** Only these rows of the batch, in this order. rows: indices into B. */
export function keepRows(cache: Cache, rows: readonly number[], batch: number): Cache {
  const pick = (x: tf.Tensor3D) =>
    tf.tidy(() => {
      const [all, s, d] = x.shape;
      const heads = all / batch;
      const flat = tf.gather(tf.reshape(x, [batch, heads * s * d]), tf.tensor1d([...rows], 'int32'));
      return tf.reshape(flat, [rows.length * heads, s, d]) as tf.Tensor3D;
    });
  return { length: cache.length, layers: cache.layers.map(({ k, v }) => ({ k: pick(k), v: pick(v) })) };
}

export function freeCache(cache: Cache): void {
  for (const { k, v } of cache.layers) tf.dispose([k, v]);
}
