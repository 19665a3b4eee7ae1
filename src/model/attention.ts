import * as tf from '@tensorflow/tfjs-core';
import { type Causal, causalSoftmax, fusedAttention, mergeHeads, nextToken, splitHeads } from '../tensor/fused';
import { constantsOf } from './constants';
import { type LayerRun, project } from './lora';
import type { DecoderConfig } from './model';
import { normalize } from './norm';
import { applyRope, type CompactRope, type RopeTables } from './rope';

export interface AttentionInput {
  /** [B*T, D], already normed. */
  x: tf.Tensor2D;
  batch: number;
  /** None: positions are learned. */
  rope?: RopeTables;
  /** Where the engine has fused ops: instead of `rope`. */
  compact?: CompactRope;
  /** Added to the scores: [1 or B, 1, T, S]; none: what `causal` says, or every query sees every key. */
  mask?: tf.Tensor4D;
  /** Where the engine has fused ops and nothing but order limits what a query sees: instead of `mask`. */
  causal?: Causal;
  /** One token of every row sees these places of `past`, [B, 2] int32, and is written to the last of them. */
  places?: tf.Tensor2D;
  past?: { k: tf.Tensor3D; v: tf.Tensor3D };
  /** Whether the keys and values it has seen are wanted. */
  keep: boolean;
}

export interface Attended {
  /** [B*T, heads*hd] */
  rows: tf.Tensor2D;
  /** [B*KV, S, hd] */
  k?: tf.Tensor3D;
  v?: tf.Tensor3D;
}

/** Causal self-attention with grouped queries up to its last projection, and with `keep` the keys and values that it has seen. */
export function attention(run: LayerRun, input: AttentionInput): Attended {
  const { x, batch, compact, causal, places, past, keep } = input;
  const { attentionCap = 0, heads, keyValueHeads, headDim, queryScale } = run.config;
  const flat = queriesKeysValues(run, x);
  if (!compact) return stepByStep(run.config, flat, input);
  const layout = { batch, heads, keyValueHeads, headDim, rotary: compact.rotary, scale: queryScale };
  if (places && past) {
    const [cap] = constantsOf(run.config).get('cap', () => [tf.tensor1d([attentionCap])]) as [tf.Tensor1D];
    return { rows: nextToken(flat, compact, past, { seen: places, cap }, layout), ...past };
  }
  if (!causal || keep || attentionCap) return stepByStep(run.config, flat, input);
  return { rows: fusedAttention(flat, compact, layout, causal) };
}

/** The queries of one group are laid under one another, [B*KV, group*T, hd], so that keys and values are never repeated. */
function stepByStep(
  config: DecoderConfig,
  flat: Flat,
  { x, batch, rope, compact, mask, causal, past, keep }: AttentionInput,
): Attended {
  const { heads, keyValueHeads } = config;
  const length = x.shape[0] / batch;
  const now = compact ? turnedAtOnce(config, flat, compact, batch) : turned(config, flat, rope, batch);
  const { q } = now;
  const k = past ? (tf.concat([past.k, now.k], 1) as tf.Tensor3D) : now.k;
  const v = past ? (tf.concat([past.v, now.v], 1) as tf.Tensor3D) : now.v;
  const seen = k.shape[1];
  let scores: tf.Tensor = tf.matMul(q, k, false, true);
  if (config.attentionCap) scores = softCap(scores, config.attentionCap);
  let shares: tf.Tensor3D;
  if (causal) shares = causalSoftmax(scores as tf.Tensor3D, causal);
  else {
    if (mask) scores = tf.add(tf.reshape(scores, [batch, heads, length, seen]), mask);
    shares = tf.reshape(tf.softmax(scores), [batch * keyValueHeads, -1, seen]) as tf.Tensor3D;
  }
  const rows = besideOneAnother(config, tf.matMul(shares, v), compact, batch);
  return keep ? { rows, k, v } : { rows };
}

/** q, k and v as the products want them, turned by their positions; q holds the scale of the scores. */
function turned(config: DecoderConfig, flat: Flat, rope: RopeTables | undefined, batch: number): ByHead {
  const { heads, keyValueHeads, headDim, queryScale } = config;
  // [B*T, n*hd] -> [B*KV, n/KV * T, hd]
  const byHead = (rows: tf.Tensor2D, n: number) => {
    const four = tf.transpose(tf.reshape(rows, [batch, -1, n, headDim]), [0, 2, 1, 3]);
    return tf.reshape(four, [batch * keyValueHeads, -1, headDim]) as tf.Tensor3D;
  };
  return {
    q: byHead(rope ? applyRope(flat.q, rope.q, rope.rotate, batch) : tf.mul(flat.q, queryScale), heads),
    k: byHead(rope ? applyRope(flat.k, rope.k, rope.rotate, batch) : flat.k, keyValueHeads),
    v: byHead(flat.v, keyValueHeads),
  };
}

function turnedAtOnce(
  config: DecoderConfig,
  { q, k, v }: Flat,
  { cos, sin, rotary }: CompactRope,
  batch: number,
): ByHead {
  const { heads, keyValueHeads, headDim, queryScale } = config;
  const common = { batch, keyValueHeads, headDim };
  return {
    q: splitHeads(q, cos, sin, { ...common, heads, rotary, scale: queryScale }),
    k: splitHeads(k, cos, sin, { ...common, heads: keyValueHeads, rotary, scale: 1 }),
    v: splitHeads(v, cos, sin, { ...common, heads: keyValueHeads, rotary: 0, scale: 1 }),
  };
}

/** [B*KV, group*T, hd] -> [B*T, heads*hd] */
function besideOneAnother(
  config: DecoderConfig,
  mixed: tf.Tensor3D,
  compact: CompactRope | undefined,
  batch: number,
): tf.Tensor2D {
  const { heads, keyValueHeads, headDim } = config;
  if (compact) {
    const layout = { batch, heads, keyValueHeads, headDim, rotary: 0, scale: 1 };
    return mergeHeads(mixed, compact.cos, compact.sin, layout);
  }
  const four = tf.reshape(mixed, [batch, heads, -1, headDim]);
  return tf.reshape(tf.transpose(four, [0, 2, 1, 3]), [-1, heads * headDim]) as tf.Tensor2D;
}

interface ByHead {
  /** [B*KV, group*T, hd] */
  q: tf.Tensor3D;
  /** [B*KV, T, hd] */
  k: tf.Tensor3D;
  v: tf.Tensor3D;
}

interface Flat {
  q: tf.Tensor2D;
  k: tf.Tensor2D;
  v: tf.Tensor2D;
}

/** x [N, D] -> q [N, heads*hd], k and v [N, KV*hd]; q and k normed where the family does. */
function queriesKeysValues(run: LayerRun, x: tf.Tensor2D): Flat {
  const { config, weights } = run;
  const { heads, keyValueHeads, headDim, family } = config;
  const flat: Flat = family.linear.qkv
    ? parts(config, project(run, 'qkv', x))
    : { q: project(run, 'q', x), k: project(run, 'k', x), v: project(run, 'v', x) };
  if (!family.headNorm) return flat;
  const norm = (rows: tf.Tensor2D, n: number, place: 'q' | 'k') => {
    const width = family.headNorm === 'each' ? headDim : n * headDim;
    const normed = normalize(config, tf.reshape(rows, [-1, width]) as tf.Tensor2D, weights.norms[place]);
    return tf.reshape(normed, rows.shape) as tf.Tensor2D;
  };
  return { q: norm(flat.q, heads, 'q'), k: norm(flat.k, keyValueHeads, 'k'), v: flat.v };
}

/** The outputs of a fused layer, [N, (heads + 2 KV) * hd], taken apart. */
function parts({ heads, keyValueHeads, headDim, family }: DecoderConfig, fused: tf.Tensor2D): Flat {
  if (family.fused === 'heads') {
    const each = tf.split(tf.reshape(fused, [-1, heads, 3, headDim]), 3, 2);
    const [q, k, v] = each.map((x) => tf.reshape(x, [-1, heads * headDim])) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    return { q, k, v };
  }
  const sizes = [heads, keyValueHeads, keyValueHeads].map((n) => n * headDim);
  const [q, k, v] = tf.split(fused, sizes, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  return { q, k, v };
}

/** cap tanh(x / cap) */
export function softCap<T extends tf.Tensor>(x: T, cap: number): T {
  return tf.mul(tf.tanh(tf.mul(x, 1 / cap)), cap) as T;
}

/** Large enough that softmax gives exactly 0, small enough to stay finite in rows that see nothing. */
export const MASKED = -1e9;

/** [1, 1, length, past + length]: 0 where a query may look, MASKED where not. Made once per shape. */
export function causalMask(config: DecoderConfig, length: number, past: number, window = Number.POSITIVE_INFINITY) {
  const [mask] = constantsOf(config).get(`causal ${length} ${past} ${window}`, () => {
    const seen = past + length;
    const values = new Float32Array(length * seen);
    for (let i = 0; i < length; i++) {
      values.fill(MASKED, i * seen + past + i + 1, (i + 1) * seen);
      values.fill(MASKED, i * seen, i * seen + Math.max(0, past + i + 1 - window));
    }
    return [tf.tensor4d(values, [1, 1, length, seen])];
  });
  return mask as tf.Tensor4D;
}
