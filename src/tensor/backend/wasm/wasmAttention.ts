import type { TensorInfo } from '@tensorflow/tfjs-core';
import { HEAD_WIDTH } from '../../fused';
import type { Work } from './wasmCompute';
import { alike, type Call, type FusedOp, like, same, shapeOf } from './wasmFusedOp';
import { LIGHT, POWERS } from './wasmStrides';

// The attention of the fused ops on the WebAssembly engine.

export const softmax = (op: 'softmax' | 'softmaxGrad', x: string): FusedOp => ({
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

export const attention = (op: 'attention' | 'attentionGrad'): FusedOp => ({
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

export const heads = (op: 'splitHeads' | 'mergeHeads'): FusedOp => {
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

export const nextToken: FusedOp = {
  misfit(call) {
    const wrong = 'was given heads, tables or a cache that do not fit its sizes B, H, KV, hd, rotary';
    const [batch = 0, heads = 0, kv = 0, size = 0, rotary = 0] = call.sizes;
    if (call.sizes.length !== 5 || batch < 1 || kv < 1 || heads % kv !== 0 || size < 1 || rotary > size || rotary % 2)
      return wrong;
    const [cos, keys, values] = [shapeOf(call, 'cos'), shapeOf(call, 'keys'), shapeOf(call, 'values')];
    const [places = 0, wide = 0] = [keys[2], values[2]];
    if (!same(shapeOf(call, 'q'), [batch, heads * size]) || !same(shapeOf(call, 'k'), [batch, kv * size])) return wrong;
    if (!alike(call, 'k', 'v') || !alike(call, 'cos', 'sin')) return wrong;
    if (!same(cos, [cos[0] === 1 ? 1 : batch, 1, size])) return wrong;
    if (places < 1 || places % HEAD_WIDTH || !same(keys, [batch * kv, size, places])) return wrong;
    if (wide < size || wide % HEAD_WIDTH || !same(values, [batch * kv, places, wide])) return wrong;
    return same(shapeOf(call, 'seen'), [batch, 2]) && same(shapeOf(call, 'cap'), [1]) ? undefined : wrong;
  },
  work(call) {
    const [batch = 1, heads = 1, kv = 1, size = 1, rotary = 0] = call.sizes;
    const { keys, values, ...inputs } = call.inputs as { [name: string]: TensorInfo };
    const [places = 0, wide = 0] = [shapeOf(call, 'keys')[2], shapeOf(call, 'values')[2]];
    const sizes = { batch, heads, kv, size, rotary, places, wide, tableRows: shapeOf(call, 'cos')[0] ?? 1 };
    return {
      op: 'nextToken',
      inputs,
      into: { keys: keys as TensorInfo, values: values as TensorInfo },
      outputs: { y: like(call, 'q') },
      numbers: { ...sizes, scale_: call.factor },
      count: batch * kv,
      cost: 2 * batch * heads * places * size,
      check: placesWithin(call, places),
    };
  },
};

/** Every row sees places from one up to its own. */
const placesWithin = (call: Call, places: number) =>
  everyPair(call, 'seen', 'places that are none', (first, own) => first >= 0 && first <= own && own < places);

/** Every hole stands inside the keys, and a query sees its own key. */
const holesWithin = (call: Call, end: number) =>
  everyPair(call, 'holes', 'a hole that is none', (from, to) => from >= 0 && from <= to && to <= end);

function everyPair(call: Call, name: string, what: string, fits: (a: number, b: number) => boolean): Work['check'] {
  return {
    input: call.inputs[name] as TensorInfo,
    wrong(values) {
      for (let i = 0; i < values.length; i += 2) {
        const [from = 0, to = 0] = values.subarray(i, i + 2);
        if (!fits(from, to)) return `was given ${what}: ${from} to ${to}`;
      }
      return undefined;
    },
  };
}
