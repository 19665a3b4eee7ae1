import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WasmCompute } from './wasmCompute';
import { COMPARISONS, NUMBERS, PAIRS } from './wasmJobs';
import type { Inputs, Kernels } from './wasmKernels';
import { broadcast, LIGHT, outerStrides, POWERS, sizeOf, walk } from './wasmStrides';

// TensorFlow.js's ops on numbers and sums by our own kernels (native/src/compute/elements.h), on threads, and so that they can be recorded.
// Each answers undefined to what it cannot do, which is left to the package.

const pairs =
  (name: (typeof PAIRS)[number]) =>
  (compute: WasmCompute, { a, b }: Inputs): TensorInfo | undefined => {
    if (a?.dtype !== 'float32' || b?.dtype !== 'float32') return undefined;
    const shape = tf.backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    const way = walk(shape, [broadcast(a.shape, shape), broadcast(b.shape, shape)]);
    const [left, right] = way?.strides ?? [];
    if (!way || !left || !right) return undefined;
    const flat = way.rows === 1;
    const { inner, second, third, rows } = way;
    return compute.run({
      op: 'pairs',
      inputs: { a, b },
      outputs: { y: { shape } },
      numbers: {
        ...{ inner, second, third, flat: Number(flat), ...outerStrides('a', left), ...outerStrides('b', right) },
        ...{ aEach: left.each, bEach: right.each, kind: PAIRS.indexOf(name) },
      },
      count: flat ? inner : rows,
      cost: LIGHT * rows * inner,
    })[0];
  };

const each =
  (name: (typeof NUMBERS)[number], from: tf.DataType = 'float32', to: tf.DataType = 'float32') =>
  (compute: WasmCompute, { x }: Inputs): TensorInfo | undefined => {
    if (x?.dtype !== from) return undefined;
    const count = sizeOf(x);
    const outputs = { y: { shape: x.shape, dtype: to } };
    return compute.run({
      op: 'each',
      inputs: { x },
      outputs,
      numbers: { kind: NUMBERS.indexOf(name) },
      count,
      cost: LIGHT * count,
    })[0];
  };

const compare =
  (name: (typeof COMPARISONS)[number]) =>
  (compute: WasmCompute, { a, b }: Inputs): TensorInfo | undefined => {
    if (a?.dtype !== 'float32' || b?.dtype !== 'float32') return undefined;
    const shape = tf.backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    const count = tf.util.sizeFromShape(shape);
    if (![a, b].every((it) => sizeOf(it) === count || sizeOf(it) === 1)) return undefined;
    const [aEach, bEach] = [a, b].map((it) => Number(sizeOf(it) > 1)) as [number, number];
    const outputs = { y: { shape, dtype: 'bool' as const } };
    return compute.run({
      op: 'compare',
      inputs: { a, b },
      outputs,
      numbers: { aEach, bEach, kind: COMPARISONS.indexOf(name) },
      count,
      cost: LIGHT * count,
    })[0];
  };

function select(compute: WasmCompute, { condition, t: a, e: b }: Inputs): TensorInfo | undefined {
  if (!condition || a?.dtype !== 'float32' || b?.dtype !== 'float32') return undefined;
  const same = [a, b].every(({ shape }) => tf.util.arraysEqual(shape, condition.shape));
  const count = sizeOf(a);
  const outputs = { y: { shape: a.shape } };
  return same
    ? compute.run({ op: 'select', inputs: { condition, a, b }, outputs, count, cost: LIGHT * count })[0]
    : undefined;
}

/** Over axes that follow one another. */
const sums =
  (mean: boolean) =>
  (compute: WasmCompute, { x }: Inputs, attrs: NamedAttrMap): TensorInfo | undefined => {
    if (x?.dtype !== 'float32') return undefined;
    const axes = tf.util.parseAxisParam(attrs['axis'] as number[], [...x.shape]).sort((a, b) => a - b);
    const [first = 0] = axes;
    if (axes.some((axis, i) => axis !== first + i)) return undefined;
    const sizes = [
      x.shape.slice(0, first),
      x.shape.slice(first, first + axes.length),
      x.shape.slice(first + axes.length),
    ];
    const [ahead = 1, count = 1, inner = 1] = sizes.map((some) => tf.util.sizeFromShape(some));
    const shape = tf.backend_util.computeOutAndReduceShapes([...x.shape], axes)[0];
    const kept = attrs['keepDims'] ? tf.backend_util.expandShapeToKeepDim(shape, axes) : shape;
    if (ahead * inner * count === 0) return undefined;
    return compute.run({
      op: 'sums',
      inputs: { x },
      outputs: { y: { shape: kept } },
      numbers: { outer: ahead, count, inner, factor_: mean ? 1 / count : 1 },
      count: ahead === 1 && inner > 1 ? inner : ahead,
      cost: LIGHT * ahead * count * inner,
    })[0];
  };

/** x^1.5 alone, which the gradient of 1 / sqrt(x) asks for. */
function power(compute: WasmCompute, { a, b }: Inputs): TensorInfo | undefined {
  if (a?.dtype !== 'float32' || !b || sizeOf(b) !== 1 || compute.recorder.has(b)) return undefined;
  if (compute.backend.readSync(b.dataId)[0] !== 1.5) return undefined;
  const root = each('sqrt')(compute, { x: a }) as TensorInfo;
  const found = pairs('multiply')(compute, { a, b: root });
  compute.backend.disposeData(root.dataId);
  return found;
}

/** The same values under a new tensor: enough where nothing is computed, because values never change. */
function reference({ backend }: WasmCompute, { x }: Inputs): TensorInfo | undefined {
  if (!x) return undefined;
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** To the type that is there, which every gradient of a product asks for, and to float32. */
function cast(compute: WasmCompute, inputs: Inputs, attrs: NamedAttrMap): TensorInfo | undefined {
  const from = inputs['x']?.dtype;
  if (attrs['dtype'] === from) return reference(compute, inputs);
  if (attrs['dtype'] !== 'float32') return undefined;
  if (from === 'bool') return each('fromBool', 'bool')(compute, inputs);
  return each('fromInteger', 'int32')(compute, inputs);
}

/** Over the last dimension. */
function softmax(compute: WasmCompute, { logits: x }: Inputs, attrs: NamedAttrMap): TensorInfo | undefined {
  if (x?.dtype !== 'float32' || attrs['dim'] !== x.shape.length - 1) return undefined;
  const width = x.shape.at(-1) ?? 1;
  const rows = sizeOf(x) / Math.max(1, width);
  return compute.run({
    op: 'softmax',
    inputs: { x },
    outputs: { y: { shape: x.shape } },
    // one query that sees all keys, and no hole
    numbers: { width, length: 1, past: width - 1, window: 0, holes: compute.pool.zeros, each: 2 ** 31 - 1 },
    count: rows,
    cost: POWERS * rows * width,
  })[0];
}

function addN(compute: WasmCompute, inputs: Inputs): TensorInfo | undefined {
  const [first, second, ...rest] = Object.values(inputs);
  if (first?.dtype !== 'float32') return undefined;
  if (!second) return each('same')(compute, { x: first });
  const add = pairs('add');
  let sum = add(compute, { a: first, b: second });
  for (const b of rest) {
    if (!sum) return undefined;
    const next = add(compute, { a: sum, b });
    compute.backend.disposeData(sum.dataId);
    sum = next;
  }
  return sum;
}

export const ELEMENT_KERNELS: Kernels = {
  Add: pairs('add'),
  Sub: pairs('subtract'),
  Multiply: pairs('multiply'),
  RealDiv: pairs('divide'),
  Maximum: pairs('larger'),
  Minimum: pairs('smaller'),
  SquaredDifference: pairs('squaredDifference'),
  Pow: power,
  Neg: each('neg'),
  Square: each('square'),
  Sqrt: each('sqrt'),
  Sign: each('sign'),
  Abs: each('abs'),
  Rsqrt: each('rsqrt'),
  Sin: each('sin'),
  Cos: each('cos'),
  Exp: each('exp'),
  Sigmoid: each('sigmoid'),
  Tanh: each('tanh'),
  Erf: each('erf'),
  LogicalNot: each('not', 'bool', 'bool'),
  Cast: cast,
  Identity: reference,
  GreaterEqual: compare('atLeast'),
  Greater: compare('above'),
  LessEqual: compare('atMost'),
  Less: compare('below'),
  Select: select,
  Sum: sums(false),
  Mean: sums(true),
  AddN: addN,
  Softmax: softmax,
};
