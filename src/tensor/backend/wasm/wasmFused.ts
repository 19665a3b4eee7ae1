import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import {
  type FUSED_KERNELS,
  type FusedAttributes,
  PACKED_WIDE,
  registerFusedGradients,
  scaledTogether,
} from '../../fused';
import { attention, heads, nextToken, softmax } from './wasmAttention';
import type { WasmCompute, Work } from './wasmCompute';
import { alike, type Call, type FusedOp, like, same, shapeOf, sizeOf } from './wasmFusedOp';
import { NUMBERS } from './wasmJobs';
import { type Inputs, PANEL } from './wasmKernels';
import { LIGHT, POWERS } from './wasmStrides';

// The fused ops of ../../fused.ts on the WebAssembly engine, as native/src/fused has them on the native one.

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

/** Of a matrix in fewer bits, in the order of native/src/compute/packed.h: numbers in four bytes, whether they have scales, numbers before those. */
const PACKED = [
  { eachWord: 2, scaled: false, book: 0 },
  { eachWord: 2, scaled: false, book: 0 },
  { eachWord: 4, scaled: true, book: 0 },
  { eachWord: 8, scaled: true, book: 16 },
];

/** What is wrong with a matrix in fewer bits, sizes of whose op begin with its kind, outputs and inputs. */
function packedMisfit(call: Call): string | undefined {
  const [kind = -1, outputs = 0, inputs = 0] = call.sizes;
  const form = PACKED[kind];
  if (!form) return 'knows no such kind';
  const wide = Math.ceil(outputs / PACKED_WIDE) * PACKED_WIDE;
  const scales = form.scaled ? form.book + (wide * inputs) / scaledTogether(inputs) : 0;
  const codes = wide * Math.ceil(inputs / form.eachWord);
  const fits = same(shapeOf(call, 'codes'), [codes]) && same(shapeOf(call, 'scales'), [scales]);
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
  SparringNextToken: nextToken,
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
