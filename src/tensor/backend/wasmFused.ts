import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type FUSED_KERNELS, type FusedAttributes, registerFusedGradients } from '../fused';
import type { Job } from './wasmJobs';
import { addressOf } from './wasmKernels';
import type { WasmPool } from './wasmPool';

// The fused ops of ../fused.ts on the WebAssembly engine, as native/src/fused has them on the native one.

/** What an op is computed from. */
interface Call {
  inputs: { readonly [name: string]: TensorInfo };
  sizes: readonly number[];
  factor: number;
  /** The address of an input, or of an output by its place. */
  at(input: string): number;
}

interface FusedOp {
  outputs(call: Call): readonly (readonly number[])[];
  /** `out`: the outputs' addresses. */
  job(call: Call, out: readonly number[]): Job;
  /** What is wrong with the shapes, and with the values by which memory is addressed: what native/src/fused says. */
  misfit(call: Call, pool: WasmPool): string | undefined;
}

const shapeOf = ({ inputs }: Call, name: string): readonly number[] => inputs[name]?.shape ?? [];
const sizeOf = (call: Call, name: string): number => tf.util.sizeFromShape([...shapeOf(call, name)]);
const like =
  (...names: string[]) =>
  (call: Call) =>
    names.map((name) => shapeOf(call, name));
/** Addresses of all inputs by their names. */
const addresses = ({ inputs, at }: Call) => Object.fromEntries(Object.keys(inputs).map((name) => [name, at(name)]));

const same = (a: readonly number[], b: readonly number[]): boolean => tf.util.arraysEqual([...a], [...b]);
/** Whether all of them have the first one's shape. */
const alike = (call: Call, first: string, ...others: string[]): boolean =>
  others.every((name) => same(shapeOf(call, name), shapeOf(call, first)));

/** Each number is worth so many multiply-adds. */
const [LIGHT, POWERS] = [8, 32];

/** Over rows [N, D]. */
function byRows(call: Call, rows: string, op: Job['op'], args: Job['args'], weight: number): Job {
  const [count = 0, width = 0] = shapeOf(call, rows);
  return { op, args: { ...args, width }, count, cost: weight * count * width };
}

const normMisfit =
  (x: string, ...others: string[]) =>
  (call: Call): string | undefined => {
    const [rows, weight] = [shapeOf(call, x), shapeOf(call, 'weight')];
    if (rows.length !== 2 || !same(weight, rows.slice(1))) return 'takes rows [N, D] and a weight [D]';
    return alike(call, x, ...others) ? undefined : 'takes rows of one shape';
  };

const norm = (added: boolean): FusedOp => ({
  misfit: added ? normMisfit('x', 'added') : normMisfit('x'),
  outputs: added ? like('x', 'x') : like('x'),
  job(call, [first = 0, second = 0]) {
    const out: Job['args'] = added ? { sum: first, y: second } : { y: first };
    return byRows(call, 'x', 'norm', { ...addresses(call), ...out, epsilon_: call.factor }, LIGHT);
  },
});

const normGrad = (added: boolean): FusedOp => ({
  misfit: added ? normMisfit('dy', 'sum', 'dsum') : normMisfit('dy', 'x'),
  outputs: like('dy'),
  job(call, [dx = 0]) {
    const x = call.at(added ? 'sum' : 'x');
    return byRows(call, 'dy', 'normGrad', { ...addresses(call), x, dx, epsilon_: call.factor }, LIGHT);
  },
});

/** Number by number. */
const flat =
  (op: Job['op'], like: string, args: (call: Call, out: readonly number[]) => Job['args']): FusedOp['job'] =>
  (call, out) => {
    const count = sizeOf(call, like);
    return { op, args: { ...addresses(call), ...args(call, out) }, count, cost: POWERS * count };
  };

const matMul: FusedOp = {
  misfit(call) {
    const [aTransposed = 0, bTransposed = 0] = call.sizes;
    const [a, b] = [shapeOf(call, 'a'), shapeOf(call, 'b')];
    if (a.length !== 2 || b.length !== 2) return 'takes two matrices';
    if (a[1 - aTransposed] !== b[bTransposed]) return 'was given matrices that do not fit';
    if (!call.inputs['start'] || same(shapeOf(call, 'start'), matMul.outputs(call)[0] ?? [])) return undefined;
    return "takes a start of the product's shape";
  },
  outputs(call) {
    const [aTransposed = 0, bTransposed = 0] = call.sizes;
    return [[shapeOf(call, 'a')[aTransposed] ?? 0, shapeOf(call, 'b')[1 - bTransposed] ?? 0]];
  },
  job(call, [y = 0]) {
    const [aTransposed = 0, bTransposed = 0] = call.sizes;
    const [rows = 0, inner = 0] = aTransposed ? [...shapeOf(call, 'a')].reverse() : shapeOf(call, 'a');
    const columns = shapeOf(call, 'b')[1 - bTransposed] ?? 0;
    const args = { ...addresses(call), y, rows, inner, columns, aTransposed, bTransposed };
    return { op: 'matMul', args, count: Math.ceil(columns / 8), cost: rows * inner * columns };
  },
};

const softmax = (op: 'softmax' | 'softmaxGrad', x: string): FusedOp => ({
  outputs: like(x),
  job(call, [y = 0]) {
    const [all = 0, queries = 0, width = 0] = shapeOf(call, x);
    const [length = 0, past = 0, window = 0] = call.sizes;
    const each = (all / (shapeOf(call, 'holes')[0] ?? 1)) * queries;
    const inputs = { x: call.at(x), holes: call.at('holes'), ...('y' in call.inputs && { shares: call.at('y') }) };
    const args = { ...inputs, y, width, length, past, window, each };
    return { op, args, count: all * queries, cost: POWERS * all * queries * width };
  },
  misfit(call, pool) {
    const [scores, holes] = [shapeOf(call, x), shapeOf(call, 'holes')];
    const [length = 0, past = 0] = call.sizes;
    if (call.sizes.length !== 3 || scores.length !== 3 || holes.length !== 2 || holes[1] !== 2)
      return 'takes scores [A, G T, S], holes [n, 2] and the sizes T, past, window';
    const [all = 0, queries = 0, width = 0] = scores;
    if (length < 1 || queries % length !== 0 || width !== length + past || all % (holes[0] || Number.NaN) !== 0)
      return 'was given sizes that do not fit the scores';
    if (op === 'softmaxGrad' && !alike(call, x, 'y')) return 'takes dy and y of one shape';
    return holesWithin(call, pool, width);
  },
});

const attention = (op: 'attention' | 'attentionGrad'): FusedOp => ({
  outputs(call) {
    if (op === 'attentionGrad') return like('q', 'k', 'v')(call);
    const [batch = 1, heads = 1, kv = 1] = call.sizes;
    return [shapeOf(call, 'q'), [batch * kv, (heads / kv) * ((shapeOf(call, 'q')[0] ?? 0) / batch)]];
  },
  job(call, [first = 0, second = 0, third = 0]) {
    const [batch = 1, heads = 1, kv = 1, size = 1, rotary = 0, window = 0] = call.sizes;
    const length = (shapeOf(call, 'q')[0] ?? 0) / batch;
    const [tableRows = 1] = shapeOf(call, 'cos');
    const [holeRows = 1] = shapeOf(call, 'holes');
    const out: Job['args'] =
      op === 'attention'
        ? { y: first, logSums: second }
        : { y: first, dk: second, dv: third, logSums: call.at('log_sums') };
    const sizes = { batch, heads, kv, size, rotary, window, length, tableRows, holeRows };
    const products = op === 'attention' ? 2 : 5;
    return {
      op,
      args: { ...addresses(call), ...out, ...sizes, scale_: call.factor },
      count: batch * kv,
      cost: ((batch * heads * length * length) / 2) * size * products,
    };
  },
  misfit(call, pool) {
    const wrong = 'was given heads, tables or holes that do not fit its sizes B, H, KV, hd, rotary, window';
    const [batch = 0, heads = 0, kv = 0, size = 0, rotary = 0] = call.sizes;
    if (call.sizes.length !== 6 || batch < 1 || kv < 1 || heads % kv !== 0 || size < 1 || rotary > size || rotary % 2)
      return wrong;
    const [q, k, cos, holes] = [shapeOf(call, 'q'), shapeOf(call, 'k'), shapeOf(call, 'cos'), shapeOf(call, 'holes')];
    const [rows = 0] = q;
    if (rows < 1 || rows % batch !== 0 || !same(q, [rows, heads * size]) || !same(k, [rows, kv * size])) return wrong;
    const table = cos[0] === 1 || cos[0] === batch ? [cos[0], rows / batch, size] : [];
    if (!alike(call, 'k', 'v') || !same(cos, table) || !alike(call, 'cos', 'sin')) return wrong;
    if (holes.length !== 2 || holes[1] !== 2 || batch % (holes[0] || Number.NaN) !== 0) return wrong;
    const sums = [batch * kv, (heads / kv) * (rows / batch)];
    if (op === 'attentionGrad' && !(alike(call, 'q', 'dy') && same(shapeOf(call, 'log_sums'), sums)))
      return 'takes dy as q and log_sums [B * KV, T * G]';
    return holesWithin(call, pool, rows / batch);
  },
});

const heads = (op: 'splitHeads' | 'mergeHeads'): FusedOp => {
  const lengthOf = (call: Call): number => {
    const [batch = 1, heads = 1, kv = 1] = call.sizes;
    return op === 'splitHeads' ? (shapeOf(call, 'x')[0] ?? 0) / batch : (shapeOf(call, 'x')[1] ?? 0) / (heads / kv);
  };
  return {
    misfit(call) {
      const wrong = 'was given heads and tables that do not fit its sizes B, n, KV, hd, rotary';
      const [batch = 0, heads = 0, kv = 0, size = 0, rotary = 0] = call.sizes;
      if (call.sizes.length !== 5 || batch < 1 || kv < 1 || heads % kv !== 0 || size < 1 || rotary > size || rotary % 2)
        return wrong;
      const [x, cos, length] = [shapeOf(call, 'x'), shapeOf(call, 'cos'), lengthOf(call)];
      const fits = op === 'splitHeads' ? [batch * length, heads * size] : [batch * kv, (heads / kv) * length, size];
      if (!Number.isInteger(length) || length < 1 || !same(x, fits)) return wrong;
      const table = cos[0] === 1 || cos[0] === batch ? [cos[0], length, size] : [];
      return same(cos, table) && alike(call, 'cos', 'sin') ? undefined : wrong;
    },
    outputs(call) {
      const [batch = 1, heads = 1, kv = 1, size = 1] = call.sizes;
      const length = lengthOf(call);
      return [op === 'splitHeads' ? [batch * kv, (heads / kv) * length, size] : [batch * length, heads * size]];
    },
    job(call, [y = 0]) {
      const [batch = 1, heads = 1, kv = 1, size = 1, rotary = 0] = call.sizes;
      const length = lengthOf(call);
      const sizes = { batch, heads, kv, size, rotary, length, tableRows: shapeOf(call, 'cos')[0] ?? 1 };
      const count = batch * length;
      return {
        op,
        args: { ...addresses(call), y, ...sizes, scale_: call.factor },
        count,
        cost: LIGHT * count * heads * size,
      };
    },
  };
};

const OPS: { readonly [name in keyof typeof FUSED_KERNELS]: FusedOp } = {
  SparringRmsNorm: norm(false),
  SparringRmsNormGrad: normGrad(false),
  SparringAddRmsNorm: norm(true),
  SparringAddRmsNormGrad: normGrad(true),
  SparringMatMul: matMul,
  SparringAddMatMul: matMul,
  SparringSwiglu: {
    misfit: (call) => (alike(call, 'gate', 'up') ? undefined : 'takes gate and up of one shape'),
    outputs: like('gate'),
    job: flat('swiglu', 'gate', (_, [y = 0]) => ({ y })),
  },
  SparringSwigluGrad: {
    misfit: (call) => (alike(call, 'gate', 'up', 'dy') ? undefined : 'takes three tensors of one shape'),
    outputs: like('gate', 'gate'),
    job: flat('swigluGrad', 'gate', (_, [dgate = 0, dup = 0]) => ({ dgate, dup })),
  },
  SparringCausalSoftmax: softmax('softmax', 'scores'),
  SparringCausalSoftmaxGrad: softmax('softmaxGrad', 'dy'),
  SparringAttention: attention('attention'),
  SparringAttentionGrad: attention('attentionGrad'),
  SparringSplitHeads: heads('splitHeads'),
  SparringMergeHeads: heads('mergeHeads'),
  SparringTargetLogProbs: {
    outputs: like('ids', 'ids'),
    job: (call, [logProbs = 0, logSums = 0]) =>
      byRows(call, 'logits', 'logProbs', { x: call.at('logits'), ids: call.at('ids'), logProbs, logSums }, POWERS),
    misfit(call, pool) {
      const [logits, ids] = [shapeOf(call, 'logits'), shapeOf(call, 'ids')];
      if (logits.length !== 2 || !same(ids, logits.slice(0, 1)) || !logits[1]) return 'takes logits [N, V] and ids [N]';
      return idsWithin(call, pool);
    },
  },
  SparringTargetLogProbsGrad: {
    outputs: like('logits'),
    job(call, [dx = 0]) {
      const [dy, x, logSums, ids] = [call.at('dy'), call.at('logits'), call.at('log_sums'), call.at('ids')];
      return byRows(call, 'logits', 'logProbsGrad', { dy, x, logSums, ids, dx }, POWERS);
    },
    misfit(call, pool) {
      const [logits, ids] = [shapeOf(call, 'logits'), shapeOf(call, 'ids')];
      if (logits.length !== 2 || !same(ids, logits.slice(0, 1)) || !logits[1] || !alike(call, 'ids', 'dy', 'log_sums'))
        return 'takes dy [N], logits [N, V], the logarithms of their sums [N] and ids [N]';
      return idsWithin(call, pool);
    },
  },
  SparringDropout: {
    misfit(call) {
      if (call.sizes.length !== 2) return 'takes the number of a module and how many numbers stand before as its sizes';
      return same(shapeOf(call, 'key'), [1]) ? undefined : 'takes a key [1]';
    },
    outputs: like('x'),
    job: (call, [y = 0]) => {
      const [module = 0, before = 0] = call.sizes;
      const rate = Math.fround(Math.min(1, Math.max(0, call.factor)));
      const limit = Math.trunc(rate * 2 ** 24 + 0.5);
      const scale = rate < 1 ? 1 / (1 - rate) : 0;
      const count = sizeOf(call, 'x');
      const args = { x: call.at('x'), y, key: call.at('key'), before, module, limit, scale_: scale };
      return { op: 'dropout', args, count, cost: POWERS * count };
    },
  },
  SparringAdamw: {
    misfit(call) {
      if (!alike(call, 'parameter', 'grad', 'first', 'second'))
        return 'takes a parameter, its gradient and its moments in one shape';
      return same(shapeOf(call, 'numbers'), [7]) ? undefined : 'takes seven numbers';
    },
    outputs: like('parameter', 'parameter', 'parameter'),
    job: flat('adamw', 'parameter', (_, [parameterOut = 0, firstOut = 0, secondOut = 0]) => ({
      ...{ parameterOut, firstOut, secondOut },
    })),
  },
};

function integersOf(call: Call, pool: WasmPool, name: string): Int32Array {
  return new Int32Array(pool.memory.buffer, call.at(name), sizeOf(call, name));
}

function idsWithin(call: Call, pool: WasmPool): string | undefined {
  const end = shapeOf(call, 'logits')[1] ?? 0;
  const wrong = integersOf(call, pool, 'ids').find((id) => id < 0 || id >= end);
  return wrong === undefined ? undefined : `was given the id ${wrong} of ${end}`;
}

/** Every hole stands inside the keys, and a query sees its own key. */
function holesWithin(call: Call, pool: WasmPool, end: number): string | undefined {
  const places = integersOf(call, pool, 'holes');
  for (let i = 0; i < places.length; i += 2) {
    const [from = 0, to = 0] = places.subarray(i, i + 2);
    if (from < 0 || from > to || to > end) return `was given a hole that is none: ${from} to ${to}`;
  }
  return undefined;
}

/** Makes our fused ops kernels of the backend `wasm`. */
export function registerWasmFused(pool: WasmPool): void {
  for (const [kernelName, op] of Object.entries(OPS))
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs: given, attrs, backend: itself }) => {
        const backend = itself as BackendWasm;
        const inputs = given as NamedTensorInfoMap as Call['inputs'];
        const { sizes = [], factor = 0 } = (attrs ?? {}) as FusedAttributes;
        const at = (name: string) => addressOf(backend, inputs[name] as TensorInfo);
        const call: Call = { inputs, sizes, factor, at };
        const odd = sizes.find((size) => !(size >= 0 && size <= 2 ** 31 - 1));
        const wrong = odd === undefined ? op.misfit(call, pool) : `was given the size ${odd}`;
        if (wrong) throw new Error(`${kernelName} ${wrong}`);
        const made = op.outputs(call).map((shape) => backend.makeOutput([...shape], 'float32'));
        pool.run(
          op.job(
            call,
            made.map((it) => addressOf(backend, it)),
          ),
        );
        return made.length === 1 ? (made[0] as TensorInfo) : made;
      },
    });
  registerFusedGradients();
}
