import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type FUSED_KERNELS, type FusedAttributes, registerFusedGradients } from '../../fused';
import type { WasmCompute, Work } from './wasmCompute';
import { NUMBERS } from './wasmJobs';
import { type Inputs, PANEL } from './wasmKernels';
import { LIGHT, POWERS } from './wasmStrides';

// The fused ops of ../../fused.ts on the WebAssembly engine, as native/src/fused has them on the native one.

/** What an op is computed from. */
interface Call {
  inputs: Inputs;
  sizes: readonly number[];
  factor: number;
}

interface FusedOp {
  /** What is wrong with the shapes: what native/src/fused says. */
  misfit(call: Call): string | undefined;
  work(call: Call): Work;
}

const shapeOf = ({ inputs }: Call, name: string): readonly number[] => inputs[name]?.shape ?? [];
const sizeOf = (call: Call, name: string): number => tf.util.sizeFromShape([...shapeOf(call, name)]);
const like = (call: Call, name: string) => ({ shape: shapeOf(call, name) });

const same = (a: readonly number[], b: readonly number[]): boolean => tf.util.arraysEqual([...a], [...b]);
/** Whether all of them have the first one's shape. */
const alike = (call: Call, first: string, ...others: string[]): boolean =>
  others.every((name) => same(shapeOf(call, name), shapeOf(call, first)));

/** Over rows [N, D]. */
function byRows(
  call: Call,
  rows: string,
  weight: number,
  work: Pick<Work, 'op' | 'inputs' | 'outputs' | 'check'>,
  numbers: Work['numbers'] = {},
): Work {
  const [count = 0, width = 0] = shapeOf(call, rows);
  return { ...work, numbers: { ...numbers, width }, count, cost: weight * count * width };
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
  work(call) {
    const outputs: Work['outputs'] = added ? { sum: like(call, 'x'), y: like(call, 'x') } : { y: like(call, 'x') };
    return byRows(call, 'x', LIGHT, { op: 'norm', inputs: call.inputs, outputs }, { epsilon_: call.factor });
  },
});

const normGrad = (added: boolean): FusedOp => ({
  misfit: added ? normMisfit('dy', 'sum', 'dsum') : normMisfit('dy', 'x'),
  work(call) {
    const { sum, x = sum, ...rest } = call.inputs;
    const outputs = { dx: like(call, 'dy') };
    return byRows(call, 'dy', LIGHT, { op: 'normGrad', inputs: { x, ...rest }, outputs }, { epsilon_: call.factor });
  },
});

/** Number by number. */
function flat(call: Call, op: Work['op'], of: string, outputs: readonly string[]): Work {
  const count = sizeOf(call, of);
  const made = Object.fromEntries(outputs.map((name) => [name, like(call, of)]));
  return { op, inputs: call.inputs, outputs: made, count, cost: POWERS * count };
}

function productOf(call: Call) {
  const [aTransposed = 0, bTransposed = 0] = call.sizes;
  const [rows = 0, inner = 0] = aTransposed ? [...shapeOf(call, 'a')].reverse() : shapeOf(call, 'a');
  return { rows, inner, columns: shapeOf(call, 'b')[1 - bTransposed] ?? 0, aTransposed, bTransposed };
}

const matMul: FusedOp = {
  misfit(call) {
    const [aTransposed = 0, bTransposed = 0] = call.sizes;
    const [a, b] = [shapeOf(call, 'a'), shapeOf(call, 'b')];
    if (a.length !== 2 || b.length !== 2) return 'takes two matrices';
    if (a[1 - aTransposed] !== b[bTransposed]) return 'was given matrices that do not fit';
    const { rows, columns } = productOf(call);
    if (!call.inputs['start'] || same(shapeOf(call, 'start'), [rows, columns])) return undefined;
    return "takes a start of the product's shape";
  },
  work(call) {
    const numbers = productOf(call);
    const { rows, inner, columns } = numbers;
    const outputs = { y: { shape: [rows, columns] } };
    const count = rows === 0 ? 0 : Math.ceil(columns / PANEL);
    return { op: 'matMul', inputs: call.inputs, outputs, numbers, count, cost: rows * inner * columns };
  },
};

/** Of a matrix in fewer bits, in the order of native/src/compute/packed.h: numbers in four bytes, numbers that share a scale, scales before. */
const PACKED = [
  { eachWord: 2, block: 0, book: 0 },
  { eachWord: 2, block: 0, book: 0 },
  { eachWord: 4, block: 64, book: 0 },
  { eachWord: 8, block: 64, book: 16 },
];

/** What is wrong with a matrix in fewer bits, sizes of whose op begin with its kind, outputs and inputs. */
function packedMisfit(call: Call): string | undefined {
  const [kind = -1, outputs = 0, inputs = 0] = call.sizes;
  const form = PACKED[kind];
  if (!form) return 'knows no such kind';
  const count = outputs * inputs;
  const scales = form.book + (form.block === 0 ? 0 : Math.ceil(count / form.block));
  const fits =
    same(shapeOf(call, 'codes'), [Math.ceil(count / form.eachWord)]) && same(shapeOf(call, 'scales'), [scales]);
  return fits ? undefined : 'was given codes or scales that do not fit';
}

const packedMatMul: FusedOp = {
  misfit(call) {
    const [, outputs = 0, inputs = 0, back = 2] = call.sizes;
    if (call.sizes.length !== 4 || back > 1) return 'takes a kind, outputs, inputs and 1 for back as its sizes';
    const wrong = packedMisfit(call);
    if (wrong) return wrong;
    const x = shapeOf(call, 'x');
    return x.length === 2 && x[1] === (back ? outputs : inputs) ? undefined : 'takes rows as wide as the matrix';
  },
  work(call) {
    const [kind = 0, outputs = 0, inputs = 0, back = 0] = call.sizes;
    const [rows = 0, inner = 0] = shapeOf(call, 'x');
    const columns = back ? inputs : outputs;
    const numbers = { rows, inner, columns, back, kind };
    const count = rows === 0 ? 0 : Math.ceil(columns / PANEL);
    const made = { y: { shape: [rows, columns] } };
    return { op: 'packedMatMul', inputs: call.inputs, outputs: made, numbers, count, cost: rows * inner * columns };
  },
};

const softmax = (op: 'softmax' | 'softmaxGrad', x: string): FusedOp => ({
  work(call) {
    const [all = 0, queries = 0, width = 0] = shapeOf(call, x);
    const [length = 0, past = 0, window = 0] = call.sizes;
    const each = (all / (shapeOf(call, 'holes')[0] ?? 1)) * queries;
    return {
      op,
      inputs: { x: call.inputs[x], holes: call.inputs['holes'], shares: call.inputs['y'] },
      outputs: { y: like(call, x) },
      numbers: { width, length, past, window, each },
      count: all * queries,
      cost: POWERS * all * queries * width,
      check: holesWithin(call, width),
    };
  },
  misfit(call) {
    const [scores, holes] = [shapeOf(call, x), shapeOf(call, 'holes')];
    const [length = 0, past = 0] = call.sizes;
    if (call.sizes.length !== 3 || scores.length !== 3 || holes.length !== 2 || holes[1] !== 2)
      return 'takes scores [A, G T, S], holes [n, 2] and the sizes T, past, window';
    const [all = 0, queries = 0, width = 0] = scores;
    if (length < 1 || queries % length !== 0 || width !== length + past || all % (holes[0] || Number.NaN) !== 0)
      return 'was given sizes that do not fit the scores';
    if (op === 'softmaxGrad' && !alike(call, x, 'y')) return 'takes dy and y of one shape';
    return undefined;
  },
});

const attention = (op: 'attention' | 'attentionGrad'): FusedOp => ({
  work(call) {
    const [batch = 1, heads = 1, kv = 1, size = 1, rotary = 0, window = 0] = call.sizes;
    const length = (shapeOf(call, 'q')[0] ?? 0) / batch;
    const [tableRows = 1] = shapeOf(call, 'cos');
    const [holeRows = 1] = shapeOf(call, 'holes');
    const { log_sums: logSums, ...inputs } = call.inputs;
    const gradient = op === 'attentionGrad';
    const outputs: Work['outputs'] = gradient
      ? { y: like(call, 'q'), dk: like(call, 'k'), dv: like(call, 'v') }
      : { y: like(call, 'q'), logSums: { shape: [batch * kv, (heads / kv) * length] } };
    return {
      op,
      inputs: { ...inputs, logSums },
      outputs,
      numbers: { batch, heads, kv, size, rotary, window, length, tableRows, holeRows, scale_: call.factor },
      count: batch * kv,
      cost: ((batch * heads * length * length) / 2) * size * (gradient ? 5 : 2),
      check: holesWithin(call, length),
    };
  },
  misfit(call) {
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
    return undefined;
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
    work(call) {
      const [batch = 1, heads = 1, kv = 1, size = 1, rotary = 0] = call.sizes;
      const length = lengthOf(call);
      const shape = op === 'splitHeads' ? [batch * kv, (heads / kv) * length, size] : [batch * length, heads * size];
      const sizes = { batch, heads, kv, size, rotary, length, tableRows: shapeOf(call, 'cos')[0] ?? 1 };
      return {
        op,
        inputs: call.inputs,
        outputs: { y: { shape } },
        numbers: { ...sizes, scale_: call.factor },
        count: batch * length,
        cost: LIGHT * batch * length * heads * size,
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
  SparringPackedMatMul: packedMatMul,
  SparringPackedRows: {
    misfit(call) {
      if (call.sizes.length !== 3) return 'takes a kind, outputs and inputs as its sizes';
      return packedMisfit(call) ?? (shapeOf(call, 'ids').length === 1 ? undefined : 'takes ids [N]');
    },
    work(call) {
      const [kind = 0, outputs = 0, width = 0] = call.sizes;
      const count = sizeOf(call, 'ids');
      const work = { inputs: call.inputs, outputs: { y: { shape: [count, width] } }, check: idsWithin(call, outputs) };
      return { op: 'packedRows', ...work, numbers: { width, kind }, count, cost: LIGHT * count * width };
    },
  },
  // Jobs run in the order in which they are written down.
  SparringAfter: {
    misfit: () => undefined,
    work: (call) => ({ ...flat(call, 'each', 'x', ['y']), numbers: { kind: NUMBERS.indexOf('same') } }),
  },
  SparringSwiglu: {
    misfit: (call) => (alike(call, 'gate', 'up') ? undefined : 'takes gate and up of one shape'),
    work: (call) => flat(call, 'swiglu', 'gate', ['y']),
  },
  SparringSwigluGrad: {
    misfit: (call) => (alike(call, 'gate', 'up', 'dy') ? undefined : 'takes three tensors of one shape'),
    work: (call) => flat(call, 'swigluGrad', 'gate', ['dgate', 'dup']),
  },
  SparringCausalSoftmax: softmax('softmax', 'scores'),
  SparringCausalSoftmaxGrad: softmax('softmaxGrad', 'dy'),
  SparringAttention: attention('attention'),
  SparringAttentionGrad: attention('attentionGrad'),
  SparringSplitHeads: heads('splitHeads'),
  SparringMergeHeads: heads('mergeHeads'),
  SparringTargetLogProbs: {
    misfit(call) {
      const [logits, ids] = [shapeOf(call, 'logits'), shapeOf(call, 'ids')];
      const fits = logits.length === 2 && same(ids, logits.slice(0, 1)) && logits[1];
      return fits ? undefined : 'takes logits [N, V] and ids [N]';
    },
    work(call) {
      const { logits: x, ids } = call.inputs;
      const outputs = { logProbs: like(call, 'ids'), logSums: like(call, 'ids') };
      return byRows(call, 'logits', POWERS, { op: 'logProbs', inputs: { x, ids }, outputs, check: idsWithin(call) });
    },
  },
  SparringTargetLogProbsGrad: {
    misfit(call) {
      const [logits, ids] = [shapeOf(call, 'logits'), shapeOf(call, 'ids')];
      const fits =
        logits.length === 2 && same(ids, logits.slice(0, 1)) && logits[1] && alike(call, 'ids', 'dy', 'log_sums');
      return fits ? undefined : 'takes dy [N], logits [N, V], the logarithms of their sums [N] and ids [N]';
    },
    work(call) {
      const { dy, logits: x, log_sums: logSums, ids } = call.inputs;
      const work = { inputs: { dy, x, logSums, ids }, outputs: { dx: like(call, 'logits') }, check: idsWithin(call) };
      return byRows(call, 'logits', POWERS, { op: 'logProbsGrad', ...work });
    },
  },
  SparringDropout: {
    misfit(call) {
      if (call.sizes.length !== 2) return 'takes the number of a module and how many numbers stand before as its sizes';
      return same(shapeOf(call, 'key'), [1]) ? undefined : 'takes a key [1]';
    },
    work(call) {
      const [module = 0, before = 0] = call.sizes;
      const rate = Math.fround(Math.min(1, Math.max(0, call.factor)));
      const limit = Math.trunc(rate * 2 ** 24 + 0.5);
      const numbers = { before, module, limit, scale_: rate < 1 ? 1 / (1 - rate) : 0 };
      return { ...flat(call, 'dropout', 'x', ['y']), numbers };
    },
  },
  SparringAdamw: {
    misfit(call) {
      if (!alike(call, 'parameter', 'grad', 'first', 'second'))
        return 'takes a parameter, its gradient and its moments in one shape';
      return same(shapeOf(call, 'numbers'), [7]) ? undefined : 'takes seven numbers';
    },
    work: (call) => flat(call, 'adamw', 'parameter', ['parameterOut', 'firstOut', 'secondOut']),
  },
};

function idsWithin(call: Call, end = shapeOf(call, 'logits')[1] ?? 0): Work['check'] {
  return {
    input: call.inputs['ids'] as TensorInfo,
    wrong(ids) {
      const id = ids.find((it) => it < 0 || it >= end);
      return id === undefined ? undefined : `was given the id ${id} of ${end}`;
    },
  };
}

/** Every hole stands inside the keys, and a query sees its own key. */
function holesWithin(call: Call, end: number): Work['check'] {
  return {
    input: call.inputs['holes'] as TensorInfo,
    wrong(places) {
      for (let i = 0; i < places.length; i += 2) {
        const [from = 0, to = 0] = places.subarray(i, i + 2);
        if (from < 0 || from > to || to > end) return `was given a hole that is none: ${from} to ${to}`;
      }
      return undefined;
    },
  };
}

/** Makes our fused ops kernels of the backend `wasm`. */
export function registerWasmFused(compute: WasmCompute): void {
  for (const [kernelName, op] of Object.entries(OPS))
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs }) => {
        const { sizes = [], factor = 0 } = (attrs ?? {}) as FusedAttributes;
        const call: Call = { inputs: inputs as Inputs, sizes, factor };
        const odd = sizes.find((size) => !(size >= 0 && size <= 2 ** 31 - 1));
        const wrong = odd === undefined ? op.misfit(call) : `was given the size ${odd}`;
        if (wrong) throw new Error(`${kernelName} ${wrong}`);
        const { check, ...work } = op.work(call);
        const named = check && {
          input: check.input,
          wrong(values: Int32Array) {
            const found = check.wrong(values);
            return found && `${kernelName} ${found}`;
          },
        };
        const made = compute.run({ ...work, check: named });
        return made.length === 1 ? (made[0] as TensorInfo) : made;
      },
    });
  registerFusedGradients();
}
