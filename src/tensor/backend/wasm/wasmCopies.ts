import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WasmCompute } from './wasmCompute';
import type { Kernels } from './wasmKernels';
import { broadcast, LIGHT, outerStrides, sizeOf, strides, walk } from './wasmStrides';

// TensorFlow.js's ops that only move numbers.

/** Copies numbers of x, from `xFirst` on with these strides, over `shape` to those of y. False where that has too many dimensions. */
function copy(
  compute: WasmCompute,
  { x, y, shape }: { x: TensorInfo; y: TensorInfo; shape: readonly number[] },
  from: { first: number; strides: readonly number[] },
  to: { first: number; strides: readonly number[] },
): boolean {
  const way = walk(shape, [from.strides, to.strides]);
  const [read, written] = way?.strides ?? [];
  if (!way || !read || !written) return false;
  const { inner, second, third, rows } = way;
  compute.run({
    op: 'copies',
    inputs: { x },
    into: { y },
    numbers: {
      ...{ inner, second, third, ...outerStrides('x', read), ...outerStrides('y', written) },
      ...{ xEach: read.each, yEach: written.each, xFirst: from.first, yFirst: to.first },
      bytes: tf.util.bytesPerElement(x.dtype),
    },
    count: rows,
    cost: LIGHT * rows * inner,
  });
  return true;
}

const wide = ({ dtype }: TensorInfo): boolean => dtype === 'float32' || dtype === 'int32';
const offset = (begin: readonly number[], own: readonly number[]): number =>
  begin.reduce((sum, at, i) => sum + at * (own[i] as number), 0);

function part(
  compute: WasmCompute,
  x: TensorInfo,
  begin: readonly number[],
  shape: readonly number[],
): TensorInfo | undefined {
  const y = compute.output([x], shape, x.dtype);
  const own = strides(x.shape);
  return copy(
    compute,
    { x, y, shape },
    { first: offset(begin, own), strides: own },
    { first: 0, strides: strides(shape) },
  )
    ? y
    : undefined;
}

function slice(
  compute: WasmCompute,
  { x }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  if (!x || !wide(x) || x.shape.length > 4) return undefined;
  const [begin = [], size = []] = tf.slice_util.parseSliceParams(
    x as tf.Tensor,
    attrs['begin'] as number[],
    attrs['size'] as number[],
  );
  tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
  return part(compute, x, begin, size);
}

function split(
  compute: WasmCompute,
  { x }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo[] | undefined {
  if (!x || !wide(x) || x.shape.length > 4) return undefined;
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, [...x.shape])[0] as number;
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs['numOrSizeSplits'] as number[], axis);
  let at = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    at += size;
    return part(
      compute,
      x,
      begin,
      x.shape.map((all, i) => (i === axis ? size : all)),
    ) as TensorInfo;
  });
}

function concat(
  compute: WasmCompute,
  inputs: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  const all = Object.values(inputs);
  const [one] = all;
  if (!one || !wide(one) || one.shape.length > 4 || all.some(({ dtype }) => dtype !== one.dtype)) return undefined;
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, [...one.shape])[0] as number;
  const shape = tf.backend_util.computeOutShape(
    all.map((it) => [...it.shape]),
    axis,
  );
  const y = compute.output(all, shape, one.dtype);
  const own = strides(shape);
  let at = 0;
  for (const x of all) {
    copy(
      compute,
      { x, y, shape: x.shape },
      { first: 0, strides: strides(x.shape) },
      { first: at * (own[axis] as number), strides: own },
    );
    at += x.shape[axis] as number;
  }
  return y;
}

function pad(compute: WasmCompute, { x }: { [name: string]: TensorInfo }, attrs: NamedAttrMap): TensorInfo | undefined {
  const paddings = attrs['paddings'] as unknown as [number, number][];
  if (x?.dtype !== 'float32' || x.shape.length > 4) return undefined;
  const shape = x.shape.map((size, i) => size + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
  const y = compute.output([x], shape);
  const count = tf.util.sizeFromShape(shape);
  const value = Number(attrs['constantValue']);
  compute.run({ op: 'fill', inputs: {}, into: { y }, numbers: { value_: value }, count, cost: count });
  const own = strides(shape);
  const first = offset(
    paddings.map(([before]) => before),
    own,
  );
  copy(compute, { x, y, shape: x.shape }, { first: 0, strides: strides(x.shape) }, { first, strides: own });
  return y;
}

function transpose(
  compute: WasmCompute,
  { x }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  if (!x || !wide(x) || x.shape.length > 4) return undefined;
  const order = attrs['perm'] as number[];
  const own = strides(x.shape);
  const shape = order.map((axis) => x.shape[axis] as number);
  const y = compute.output([x], shape, x.dtype);
  const turned = order.map((axis) => own[axis] as number);
  copy(compute, { x, y, shape }, { first: 0, strides: turned }, { first: 0, strides: strides(shape) });
  return y;
}

/** Repeats what stands once; what is more is left to the package. */
function tile(
  compute: WasmCompute,
  { x }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  const times = attrs['reps'] as number[];
  if (!x || x.dtype === 'string' || x.shape.length > 4 || x.shape.some((size, i) => size !== 1 && times[i] !== 1))
    return undefined;
  const shape = x.shape.map((size, i) => size * (times[i] ?? 1));
  const y = compute.output([x], shape, x.dtype);
  copy(
    compute,
    { x, y, shape },
    { first: 0, strides: broadcast(x.shape, shape) },
    { first: 0, strides: strides(shape) },
  );
  return y;
}

/** Rows added at their places in zeros. */
function scatter(
  compute: WasmCompute,
  { indices, updates }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  const [rows = 0, width = 0, ...more] = attrs['shape'] as number[];
  if (!indices || updates?.dtype !== 'float32' || updates.shape.length !== 2 || more.length > 0) return undefined;
  if (indices.dtype !== 'int32' || indices.shape.length !== 2 || indices.shape[1] !== 1) return undefined;
  const [count = 0] = updates.shape;
  return compute.run({
    op: 'scatter',
    inputs: { x: updates, places: indices },
    outputs: { y: { shape: [rows, width] } },
    numbers: { width, count, rows },
    count: width,
    cost: LIGHT * (rows + count) * width,
    check: { input: indices, wrong: placesWithin('scatterND', rows) },
  })[0];
}

/** Rows of x [M, ...] at places [N] -> [N, ...]. */
function gather(
  compute: WasmCompute,
  { x, indices }: { [name: string]: TensorInfo },
  attrs: NamedAttrMap,
): TensorInfo | undefined {
  if (!x || !wide(x) || indices?.dtype !== 'int32' || attrs['axis'] !== 0 || attrs['batchDims'] !== 0) return undefined;
  const [rows = 0, ...rest] = x.shape;
  const [count, width] = [sizeOf(indices), tf.util.sizeFromShape(rest)];
  return compute.run({
    op: 'gather',
    inputs: { x, places: indices },
    outputs: { y: { shape: [...indices.shape, ...rest], dtype: x.dtype } },
    numbers: { width },
    count,
    cost: LIGHT * count * width,
    check: { input: indices, wrong: placesWithin('gather', rows) },
  })[0];
}

const placesWithin =
  (op: string, end: number) =>
  (places: Int32Array): string | undefined => {
    const wrong = places.find((place) => place < 0 || place >= end);
    return wrong === undefined ? undefined : `${op} was given the place ${wrong} of ${end}`;
  };

export const COPY_KERNELS: Kernels = {
  Slice: slice,
  SplitV: split,
  Concat: concat,
  PadV2: pad,
  Tile: tile,
  Transpose: transpose,
  ScatterNd: scatter,
  GatherV2: gather,
};
