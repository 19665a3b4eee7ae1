import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

// Parts of a decoder that the native engine on a processor computes by one op each (native/src/fused), with their gradients. Elsewhere the
// callers put the same computation together from TensorFlow.js's own ops.

/** Names of the kernels, with how many tensors each gives. */
export const FUSED_KERNELS = {
  SparringRmsNorm: 1,
  SparringRmsNormGrad: 1,
  SparringAddRmsNorm: 2,
  SparringAddRmsNormGrad: 1,
  SparringMatMul: 1,
  SparringAddMatMul: 1,
  SparringPackedMatMul: 1,
  SparringPackedRows: 1,
  SparringAfter: 1,
  SparringSwiglu: 1,
  SparringSwigluGrad: 2,
  SparringCausalSoftmax: 1,
  SparringCausalSoftmaxGrad: 1,
  SparringAttention: 2,
  SparringAttentionGrad: 3,
  SparringNextToken: 1,
  SparringSplitHeads: 1,
  SparringMergeHeads: 1,
  SparringTargetLogProbs: 2,
  SparringTargetLogProbsGrad: 1,
  SparringDropout: 1,
  SparringAdamw: 3,
} as const;
/** Those of src/tensor/panels.ts, which the native engine has on some processors. */
export const PANEL_KERNELS = {
  SparringPanels: 1,
  SparringPanelMatMul: 1,
  SparringPanelRows: 1,
  SparringMergePanels: 2,
} as const;
type FusedKernel = keyof typeof FUSED_KERNELS | keyof typeof PANEL_KERNELS;

/** `sizes` and `factor` as the op's description has them. */
export interface FusedAttributes {
  sizes?: readonly number[];
  factor?: number;
}

/** Whether the current engine has the fused ops. */
export const hasFused = (): boolean => tf.getKernel('SparringRmsNorm', tf.getBackend()) !== undefined;

/** What a fused op gives. */
export function run(name: FusedKernel, inputs: { [name: string]: Tensor }, attributes: FusedAttributes = {}): Tensor[] {
  const made = tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as Tensor | Tensor[];
  return Array.isArray(made) ? made : [made];
}

/** The same of an op that gives one tensor. */
export const one = (...given: Parameters<typeof run>): Tensor => run(...given)[0] as Tensor;

/** x / sqrt(mean(x^2) + epsilon) * weight over rows. x [N, D], weight [D] -> [N, D] */
export const rmsNorm = (x: Tensor2D, weight: Tensor1D, epsilon: number): Tensor2D =>
  one('SparringRmsNorm', { x, weight }, { factor: epsilon }) as Tensor2D;

/** sum = x + added, and rmsNorm(sum). */
export function addRmsNorm(
  x: Tensor2D,
  added: Tensor2D,
  weight: Tensor1D,
  epsilon: number,
): { sum: Tensor2D; normed: Tensor2D } {
  const [sum, normed] = run('SparringAddRmsNorm', { x, added, weight }, { factor: epsilon });
  return { sum: sum as Tensor2D, normed: normed as Tensor2D };
}

/** a b, each transposed first where that is said. a [N, K], b [K, M] -> [N, M]. Has no gradient: tf.matMul has. */
export const fusedMatMul = (a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D =>
  one('SparringMatMul', { a, b }, { sizes: [transposeA ? 1 : 0, transposeB ? 1 : 0] }) as Tensor2D;

/** start + a b. start [N, M], a [N, K], b [K, M] -> [N, M] */
export const addMatMul = (start: Tensor2D, a: Tensor2D, b: Tensor2D): Tensor2D =>
  one('SparringAddMatMul', { start, a, b }, { sizes: [0, 0] }) as Tensor2D;

/** How numbers are kept in fewer bits, in the order of native/src/compute/packed.h: src/model/packed.ts. */
const PACKED_KINDS = ['bfloat16', 'float16', 'int8', 'nf4'] as const;
export type PackedKind = (typeof PACKED_KINDS)[number];

/** Outputs that lie side by side, and numbers that share a scale in a file: native/src/compute/packed.h. */
export const PACKED_WIDE = 32;
export const PACKED_BLOCK = 64;

/** Inputs that share a scale in every row: a block, or fewer where rows are no whole blocks. */
export function scaledTogether(inputs: number): number {
  let each = PACKED_BLOCK;
  while (inputs % each !== 0) each /= 2;
  return each;
}

/** A matrix [out, in] in fewer bits, which the engine multiplies by without ever making all of it. */
export interface PackedWeight {
  kind: PackedKind;
  outputs: number;
  inputs: number;
  /** int32: the codes in panels of 32 outputs (native/src/compute/packed.h). */
  codes: Tensor1D;
  /** As the panels need them; nf4: before them the 16 numbers that the codes stand for; of 16 bits none. */
  scales: Tensor1D;
}

/** x W^T, or x W where `back`. x [N, in] (or [N, out]) -> [N, out] (or [N, in]). W has no gradient. */
export function packedMatMul(
  x: Tensor2D,
  { kind, outputs, inputs, codes, scales }: PackedWeight,
  back = false,
): Tensor2D {
  const sizes = [PACKED_KINDS.indexOf(kind), outputs, inputs, back ? 1 : 0];
  return one('SparringPackedMatMul', { x, codes, scales }, { sizes }) as Tensor2D;
}

/** Rows of a matrix in fewer bits, which has no gradient. ids [N] int32 -> [N, in] */
export const packedRows = ({ kind, outputs, inputs, codes, scales }: PackedWeight, ids: Tensor1D): Tensor2D =>
  one(
    'SparringPackedRows',
    { codes, scales, ids },
    { sizes: [PACKED_KINDS.indexOf(kind), outputs, inputs] },
  ) as Tensor2D;

/** x, computed no earlier than `other`, where a compiled function would otherwise choose. Elsewhere x as it is. Has no gradient. */
export const after = (x: Tensor, other: Tensor): Tensor =>
  hasFused() ? one('SparringAfter', { x, other }) : tf.clone(x);

/** silu(gate) * up. Any shape, the same of both. */
export const swiglu = (gate: Tensor2D, up: Tensor2D): Tensor2D => one('SparringSwiglu', { gate, up }) as Tensor2D;

/** What a query sees, by places alone. */
export interface Causal {
  /** T: queries per head. Query t stands at past + t and sees the keys up to there. */
  length: number;
  past: number;
  /** Only so many of them, its own included; 0: all. */
  window: number;
  /** [B or 1, 2] int32: queries at or behind the second place do not see the keys from the first up to it. Equal places are no hole. */
  holes: Tensor2D;
}

/** Softmax over the keys that a query sees, exactly 0 elsewhere. scores [A, G * T, S] */
export const causalSoftmax = (scores: Tensor3D, { length, past, window, holes }: Causal): Tensor3D =>
  one('SparringCausalSoftmax', { scores, holes }, { sizes: [length, past, window] }) as Tensor3D;

/** How flat rows of heads and the layout of the attention's products belong together. */
export interface HeadLayout {
  batch: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  /** How many numbers of a head are turned by cos and sin; 0: none. */
  rotary: number;
  /** What the numbers are multiplied by. */
  scale: number;
}

const headSizes = ({ batch, heads, keyValueHeads, headDim, rotary, scale }: HeadLayout): FusedAttributes => ({
  sizes: [batch, heads, keyValueHeads, headDim, rotary],
  factor: scale,
});

/** [B * T, n * hd] -> [B * KV, n / KV * T, hd], turned by its positions. cos, sin [1 or B, T, hd] */
export const splitHeads = (x: Tensor2D, cos: Tensor3D, sin: Tensor3D, layout: HeadLayout): Tensor3D =>
  one('SparringSplitHeads', { x, cos, sin }, headSizes(layout)) as Tensor3D;

/** [B * KV, n / KV * T, hd] -> [B * T, n * hd], turned back. */
export const mergeHeads = (x: Tensor3D, cos: Tensor3D, sin: Tensor3D, layout: HeadLayout): Tensor2D =>
  one('SparringMergeHeads', { x, cos, sin }, headSizes(layout)) as Tensor2D;

/**
 * Causal attention on flat rows: q [B * T, H * hd], k and v [B * T, KV * hd] -> [B * T, H * hd]. q and k are turned by their positions, and q
 * is multiplied by the layout's scale. cos, sin [1 or B, T, hd]. Scores are not kept: the gradient computes them anew (arXiv 2205.14135).
 */
export const fusedAttention = (
  { q, k, v }: { q: Tensor2D; k: Tensor2D; v: Tensor2D },
  { cos, sin }: { cos: Tensor3D; sin: Tensor3D },
  { batch, heads, keyValueHeads, headDim, rotary, scale }: HeadLayout,
  { window, holes }: Pick<Causal, 'window' | 'holes'>,
): Tensor2D => {
  const sizes = [batch, heads, keyValueHeads, headDim, rotary, window];
  return one('SparringAttention', { q, k, v, cos, sin, holes }, { sizes, factor: scale }) as Tensor2D;
};

/** What the sizes of a head and of a row of places are padded to in a cache for `nextToken`. */
export const HEAD_WIDTH = 16;

/** A cache with places to spare: keys [B * KV, hd, P], values [B * KV, P, at least hd], the last two sizes multiples of HEAD_WIDTH. */
export interface Room {
  k: Tensor3D;
  v: Tensor3D;
}

/**
 * Attention of one token of every row, q [B, H * hd], k and v [B, KV * hd] -> [B, H * hd], to the places seen[b][0] .. seen[b][1] of the room, into
 * the last of which it WRITES its own key and value. seen [B, 2] int32; cos, sin [1 or B, 1, hd]; cap [1]: cap tanh(score / cap), 0: none. Has
 * no gradient.
 */
export const nextToken = (
  { q, k, v }: { q: Tensor2D; k: Tensor2D; v: Tensor2D },
  { cos, sin }: { cos: Tensor3D; sin: Tensor3D },
  room: Room,
  { seen, cap }: { seen: Tensor2D; cap: Tensor1D },
  layout: HeadLayout,
): Tensor2D =>
  one(
    'SparringNextToken',
    { q, k, v, cos, sin, keys: room.k, values: room.v, seen, cap },
    headSizes(layout),
  ) as Tensor2D;

/** log p of each row's id, in nats. logits [N, V], ids [N] int32 -> [N] */
export const fusedTargetLogProbs = (logits: Tensor2D, ids: Tensor1D): Tensor1D =>
  one('SparringTargetLogProbs', { logits, ids }) as Tensor1D;

/**
 * x with the numbers dropped that key [1] int32 and the module's number say, the others times 1 / (1 - rate): src/model/dropout.ts. `before`:
 * how many numbers of the pass stand before those of x.
 */
export const fusedDropout = (
  x: Tensor2D,
  key: Tensor1D,
  { module, before, rate }: { module: number; before: number; rate: number },
): Tensor2D => one('SparringDropout', { x, key }, { sizes: [module, before], factor: rate }) as Tensor2D;

/**
 * One AdamW step. numbers [7]: what the gradient is multiplied by, beta1, beta2, epsilon, 1 - rate * decay, sqrt(1 - beta2^step),
 * -rate / (1 - beta1^step).
 */
export function fusedAdamW(inputs: {
  parameter: Tensor;
  grad: Tensor;
  first: Tensor;
  second: Tensor;
  numbers: Tensor1D;
}): {
  parameter: Tensor;
  first: Tensor;
  second: Tensor;
} {
  const [parameter, first, second] = run('SparringAdamw', inputs) as [Tensor, Tensor, Tensor];
  return { parameter, first, second };
}

/** Registers the gradients with TensorFlow.js. */
export function registerFusedGradients(): void {
  const attributesOf = (attrs: tf.NamedAttrMap) => attrs as FusedAttributes;
  /** Of dy [N, D] at x: what the norm's weight gets. */
  const weightGradient = (dy: Tensor, x: Tensor, weight: Tensor, attrs: tf.NamedAttrMap) => () =>
    tf.sum(tf.mul(dy, one('SparringRmsNorm', { x, weight: tf.onesLike(weight) }, attributesOf(attrs))), 0);
  tf.registerGradient({
    kernelName: 'SparringRmsNorm',
    inputsToSave: ['x', 'weight'],
    gradFunc: (dy, saved, attrs) => {
      const [x, weight] = saved as [Tensor, Tensor];
      return {
        x: () => one('SparringRmsNormGrad', { dy: dy as Tensor, x, weight }, attributesOf(attrs)),
        weight: weightGradient(dy as Tensor, x, weight, attrs),
      };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringAddRmsNorm',
    inputsToSave: ['weight'],
    outputsToSave: [true, false],
    gradFunc: (dys, saved, attrs) => {
      const [dsum, dy] = dys as Tensor[] as [Tensor, Tensor];
      const [weight, sum] = saved as [Tensor, Tensor];
      const made = one('SparringAddRmsNormGrad', { dsum, dy, sum, weight }, attributesOf(attrs));
      const take = taken([made, tf.clone(made)]);
      return { x: () => take(0), added: () => take(1), weight: weightGradient(dy, sum, weight, attrs) };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringAddMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [Tensor2D, Tensor2D];
      return {
        start: () => tf.clone(dy as Tensor),
        a: () => tf.matMul(dy as Tensor2D, b, false, true),
        b: () => tf.matMul(a, dy as Tensor2D, true, false),
      };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringPackedMatMul',
    inputsToSave: ['codes', 'scales'],
    gradFunc: (dy, saved, attrs) => {
      const [codes, scales] = saved as [Tensor, Tensor];
      const { sizes: [kind = 0, outputs = 0, inputs = 0, back = 0] = [] } = attributesOf(attrs);
      const sizes = [kind, outputs, inputs, 1 - back];
      return { x: () => one('SparringPackedMatMul', { x: dy as Tensor, codes, scales }, { sizes }) };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringSwiglu',
    inputsToSave: ['gate', 'up'],
    gradFunc: (dy, saved) => {
      const [gate, up] = saved as [Tensor, Tensor];
      const take = taken(run('SparringSwigluGrad', { dy: dy as Tensor, gate, up }));
      return { gate: () => take(0), up: () => take(1) };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringCausalSoftmax',
    inputsToSave: ['holes'],
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const [holes, y] = saved as [Tensor, Tensor];
      return { scores: () => one('SparringCausalSoftmaxGrad', { dy: dy as Tensor, y, holes }, attributesOf(attrs)) };
    },
  });
  tf.registerGradient({
    kernelName: 'SparringAttention',
    inputsToSave: ['q', 'k', 'v', 'cos', 'sin', 'holes'],
    outputsToSave: [false, true],
    gradFunc: (dys, saved, attrs) => {
      const [q, k, v, cos, sin, holes, logSums] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
      const dy = (dys as Tensor[])[0] as Tensor;
      const inputs = { dy, log_sums: logSums, q, k, v, cos, sin, holes };
      const take = taken(run('SparringAttentionGrad', inputs, attributesOf(attrs)));
      return { q: () => take(0), k: () => take(1), v: () => take(2) };
    },
  });
  for (const [name, back] of [
    ['SparringSplitHeads', 'SparringMergeHeads'],
    ['SparringMergeHeads', 'SparringSplitHeads'],
  ] as const)
    tf.registerGradient({
      kernelName: name,
      inputsToSave: ['cos', 'sin'],
      gradFunc: (dy, saved, attrs) => {
        const [cos, sin] = saved as [Tensor, Tensor];
        return { x: () => one(back, { x: dy as Tensor, cos, sin }, attributesOf(attrs)) };
      },
    });
  tf.registerGradient({
    kernelName: 'SparringDropout',
    inputsToSave: ['key'],
    gradFunc: (dy, saved, attrs) => ({
      x: () => one('SparringDropout', { x: dy as Tensor, key: saved[0] as Tensor }, attributesOf(attrs)),
    }),
  });
  tf.registerGradient({
    kernelName: 'SparringTargetLogProbs',
    inputsToSave: ['logits', 'ids'],
    outputsToSave: [false, true],
    gradFunc: (dys, saved) => {
      const [logits, ids, logSums] = saved as [Tensor, Tensor, Tensor];
      const dy = (dys as Tensor[])[0] as Tensor;
      return { logits: () => one('SparringTargetLogProbsGrad', { dy, logits, log_sums: logSums, ids }) };
    },
  });
}

/**
 * Gradients of several inputs that one op gives: each taken by whoever asks, what nobody asks for is freed with the whole backward pass.
 */
function taken(made: readonly Tensor[]): (which: number) => Tensor {
  return (which) => {
    const found = made[which] as Tensor;
    const given = tf.clone(found);
    found.dispose();
    return given;
  };
}
