import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WasmCompute } from './wasmCompute';
import type { Kernels, OwnKernel } from './wasmKernels';
import { broadcast, type Layout, LIGHT, outerStrides, sizeOf, strides, walk, whole } from './wasmStrides';

// TensorFlow.js's ops that only move numbers.

/** Copies numbers of x from one layout to another in y, over `shape`, of four dimensions at most. */
function copy(
  compute: WasmCompute,
  { x, y, shape }: { x: TensorInfo; y: TensorInfo; shape: readonly number[] },
  from: Layout,
  to: Layout,
): void {
  const way = walk(shape, [from.strides, to.strides]);
  const [read, written] = way?.strides ?? [];
  if (!way || !read || !written) throw new Error(`a copy over ${shape.length} dimensions`);
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
}

/** A new tensor of numbers of x, which are there in this layout. */
function taken(compute: WasmCompute, x: TensorInfo, from: Layout, shape: readonly number[]): TensorInfo {
  const y = compute.output([x], shape, x.dtype);
  copy(compute, { x, y, shape }, from, whole(shape));
  return y;
}

/** What can be copied number by number of four bytes. */
const plain = (x: TensorInfo | undefined): x is TensorInfo =>
  (x?.dtype === 'float32' || x?.dtype === 'int32') && x.shape.length <= 4;
const offset = (begin: readonly number[], own: readonly number[]): number =>
  begin.reduce((sum, at, i) => sum + at * (own[i] as number), 0);

const part = (compute: WasmCompute, x: TensorInfo, begin: readonly number[], shape: readonly number[]): TensorInfo => {
  const own = strides(x.shape);
  return taken(compute, x, { first: offset(begin, own), strides: own }, shape);
};

const slice: OwnKernel = (compute, { x }, attrs) => {
  if (!plain(x)) return undefined;
  const [begin = [], size = []] = tf.slice_util.parseSliceParams(
    x as tf.Tensor,
    attrs['begin'] as number[],
    attrs['size'] as number[],
  );
  tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
  return part(compute, x, begin, size);
};

const split: OwnKernel = (compute, { x }, attrs) => {
  if (!plain(x)) return undefined;
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, [...x.shape])[0] as number;
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs['numOrSizeSplits'] as number[], axis);
  let at = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    at += size;
    const shape = x.shape.map((all, i) => (i === axis ? size : all));
    return part(compute, x, begin, shape);
  });
};

const concat: OwnKernel = (compute, inputs, attrs) => {
  const all = Object.values(inputs);
  const [one] = all;
  if (!plain(one) || all.some(({ dtype }) => dtype !== one.dtype)) return undefined;
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, [...one.shape])[0] as number;
  const shape = tf.backend_util.computeOutShape(
    all.map((it) => [...it.shape]),
    axis,
  );
  const y = compute.output(all, shape, one.dtype);
  const own = strides(shape);
  let at = 0;
  for (const x of all) {
    const to = { first: at * (own[axis] as number), strides: own };
    copy(compute, { x, y, shape: x.shape }, whole(x.shape), to);
    at += x.shape[axis] as number;
  }
  return y;
};

const pad: OwnKernel = (compute, { x }, attrs) => {
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
  copy(compute, { x, y, shape: x.shape }, whole(x.shape), { first, strides: own });
  return y;
};

const transpose: OwnKernel = (compute, { x }, attrs) => {
  if (!plain(x)) return undefined;
  const order = attrs['perm'] as number[];
  const own = strides(x.shape);
  const shape = order.map((axis) => x.shape[axis] as number);
  return taken(compute, x, { first: 0, strides: order.map((axis) => own[axis] as number) }, shape);
};

/** Repeats what stands once; what is more is left to the package. */
const tile: OwnKernel = (compute, { x }, attrs) => {
  const times = attrs['reps'] as number[];
  if (!x || x.dtype === 'string' || x.shape.length > 4 || x.shape.some((size, i) => size !== 1 && times[i] !== 1))
    return undefined;
  const shape = x.shape.map((size, i) => size * (times[i] ?? 1));
  return taken(compute, x, { first: 0, strides: broadcast(x.shape, shape) }, shape);
};

/** Rows added at their places in zeros. */
const scatter: OwnKernel = (compute, { indices, updates }, attrs) => {
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
};

/** Rows of x [M, ...] at places [N] -> [N, ...]. */
const gather: OwnKernel = (compute, { x, indices }, attrs) => {
  if (
    !(x?.dtype === 'float32' || x?.dtype === 'int32') ||
    indices?.dtype !== 'int32' ||
    attrs['axis'] !== 0 ||
    attrs['batchDims'] !== 0
  )
    return undefined;
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
};

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
