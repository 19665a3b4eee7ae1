// What the WebAssembly kernels (native/src/wasm/kernels.cc) are told: four bytes each, in this order. Numbers that are no whole ones end in `_`.

const HEADS = ['batch', 'heads', 'kv', 'size', 'rotary'] as const;
const SOFTMAX = ['x', 'shares', 'y', 'width', 'length', 'past', 'window', 'holes', 'each'] as const;
const ATTENTION = [
  ...['q', 'k', 'v', 'cos', 'sin', 'holes', 'dy', 'logSums', 'y', 'dk', 'dv'],
  ...[...HEADS, 'window', 'length', 'tableRows', 'holeRows', 'scale_'],
] as const;
const TURN = ['x', 'cos', 'sin', 'y', 'tableRows', ...HEADS, 'length', 'scale_'] as const;
const LOG_PROBS = ['dy', 'x', 'ids', 'logProbs', 'logSums', 'dx', 'width'] as const;

/** Ops, in the kernels' order, with their arguments: addresses of tensors, then sizes. */
export const JOBS = {
  matMul: [
    ...(['a', 'b', 'start', 'y', 'rows', 'inner', 'columns', 'aTransposed', 'bTransposed'] as const),
    ...(['aStep', 'bStep', 'yStep'] as const),
  ],
  packedMatMul: ['x', 'scales', 'codes', 'y', 'rows', 'inner', 'columns', 'back', 'kind'],
  packedRows: ['scales', 'codes', 'ids', 'y', 'width', 'kind'],
  norm: ['x', 'added', 'weight', 'sum', 'y', 'width', 'epsilon_'],
  normGrad: ['dy', 'x', 'weight', 'dsum', 'dx', 'width', 'epsilon_'],
  swiglu: ['gate', 'up', 'y'],
  swigluGrad: ['dy', 'gate', 'up', 'dgate', 'dup'],
  softmax: SOFTMAX,
  softmaxGrad: SOFTMAX,
  attention: ATTENTION,
  attentionGrad: ATTENTION,
  nextToken: [
    ...(['q', 'k', 'v', 'cos', 'sin', 'seen', 'cap', 'keys', 'values', 'y'] as const),
    ...([...HEADS, 'places', 'wide', 'tableRows', 'scale_'] as const),
  ],
  splitHeads: TURN,
  mergeHeads: TURN,
  logProbs: LOG_PROBS,
  logProbsGrad: LOG_PROBS,
  dropout: ['x', 'y', 'key', 'before', 'module', 'limit', 'scale_'],
  adamw: ['parameter', 'grad', 'first', 'second', 'numbers', 'parameterOut', 'firstOut', 'secondOut'],
  gather: ['x', 'places', 'y', 'width'],
  scatter: ['x', 'places', 'y', 'width', 'count', 'rows'],
  pairs: [
    ...(['a', 'b', 'y', 'inner', 'flat', 'second', 'third', 'a0', 'a1', 'a2', 'b0', 'b1', 'b2'] as const),
    ...(['aEach', 'bEach', 'kind'] as const),
  ],
  each: ['x', 'y', 'kind'],
  compare: ['a', 'b', 'y', 'aEach', 'bEach', 'kind'],
  select: ['condition', 'a', 'b', 'y'],
  sums: ['x', 'y', 'outer', 'count', 'inner', 'factor_'],
  copies: [
    ...(['x', 'y', 'inner', 'second', 'third', 'x0', 'x1', 'x2', 'y0', 'y1', 'y2'] as const),
    ...(['xEach', 'yEach', 'xFirst', 'yFirst', 'bytes'] as const),
  ],
  fill: ['y', 'value_'],
  /** Other jobs, one behind the other, several such sequences side by side: pairs of the first's address and how many. */
  sequences: ['ranges'],
} as const satisfies { [op: string]: readonly string[] };

/** What is computed of a number, of two, and by a comparison of two, in the kernels' order. */
export const NUMBERS = [
  'neg',
  'square',
  'sqrt',
  'sign',
  'abs',
  'rsqrt',
  'sin',
  'cos',
  'fromInteger',
  'fromBool',
  'not',
  'same',
  'exp',
  'sigmoid',
  'tanh',
  'erf',
] as const;
export const PAIRS = ['add', 'subtract', 'multiply', 'divide', 'larger', 'smaller', 'squaredDifference'] as const;
export const COMPARISONS = ['atLeast', 'above', 'atMost', 'below'] as const;

export type JobName = keyof typeof JOBS;

/** Addresses and sizes; what is left out is 0, an address that is none. */
export interface Job {
  op: JobName;
  args: { readonly [name: string]: number };
  /** How many rows there are; a part of the job is some of them. */
  count: number;
  /** Multiplications and additions, about; others count for more. */
  cost: number;
}

const OPS = new Map(Object.keys(JOBS).map((op, i) => [op, i]));
/** Op, count, rows of a part, where the threads' room is told; then the arguments. */
const HEADER = 4;
export const JOB_BYTES = (HEADER + 24) * 4;

/** Where an argument of a job stands, in numbers of four bytes behind its beginning. */
export const placeOf = (op: JobName, argument: string): number =>
  HEADER + (JOBS[op] as readonly string[]).indexOf(argument);

/** Writes a job to place `start` of both views; `each`: rows of a part. */
export function writeJob(
  { integers, floats }: { integers: Int32Array; floats: Float32Array },
  start: number,
  { op, args, count }: Job,
  { each, rooms }: { each: number; rooms: number },
): void {
  integers[start] = OPS.get(op) as number;
  integers[start + 1] = count;
  integers[start + 2] = each;
  integers[start + 3] = rooms;
  const names: readonly string[] = JOBS[op];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    (name.endsWith('_') ? floats : integers)[start + HEADER + i] = args[name] ?? 0;
  }
}
