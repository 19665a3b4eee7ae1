// Calls the addon's functions with whatever comes, for addonFuzz.test.ts: node callAtRandom.mjs ADDON LIBRARIES(JSON) SEED CALLS
// Prints how many calls gave a result and how many an error. The last call stands in the file CALL, should the process end in it.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [file, libraries, seedText, calls, log] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(file);
addon.load(JSON.parse(libraries), new Uint8Array(), new Uint8Array(), 2, [], '');

let seed = Number(seedText);
const next = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const int = (n) => Math.floor(next() * n);
const pick = (list) => list[int(list.length)];
const many = (most, make) => Array.from({ length: int(most) }, make);

const OPS =
  'MatMul AddV2 ConcatV2 Split Reshape Transpose StridedSlice Pack OneHot Cast Fill GatherV2 Softmax Sum Mean Select Pad Tile Range ScatterNd Einsum Const Placeholder MaxPool Conv2D Sqrt IdentityN SplitV Unpack NoOp ReadFile VarHandleOp SparringRmsNorm SparringAddRmsNormGrad SparringSwiglu SparringCausalSoftmax SparringSplitHeads SparringMergeHeads SparringTargetLogProbs SparringTargetLogProbsGrad nothing'.split(
    ' ',
  );
const ATTRIBUTES =
  'T N dtype transpose_a axis num_split Tidx Tdim Tshape SrcT DstT keep_dims padding strides ksize shape value equation _XlaMustCompile begin_mask num TI Tparams Tindices Taxis batch_dims sizes factor nothing'.split(
    ' ',
  );
const SHAPES = [[], [3], [2, 2], [1, 2, 2, 1], [0, 3]];
const TYPES = [
  [1, Float32Array],
  [3, Int32Array],
  [10, Uint8Array],
  [9, BigInt64Array],
];
const tensors = SHAPES.flatMap((shape) =>
  TYPES.map(([type, Values]) => addon.createTensor(shape, type, new Values(shape.reduce((a, b) => a * b, 1)))),
);

function anything(depth = 0) {
  const kinds = [
    () => undefined,
    () => null,
    () => true,
    () => ({}),
    () => pick([-1, 0, 1, 3, 1e9, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 0.5]),
    () => pick(['', 'x', 'VALID', 'SAME', 'a'.repeat(1000), '\u0000']),
    () => (depth > 2 ? [] : many(5, () => anything(depth + 1))),
    () => many(5, () => pick([1, 2, 3, -1, 0])),
    () => new Float32Array(int(5)),
    () => new Uint8Array(int(40)),
    () => pick(tensors),
    () => pick([1, 3, 10, 9, 14, 19, 4, 7, 20, 8]),
  ];
  return pick(kinds)();
}

/** Mostly what a function expects in kind, so that calls get far. */
function argumentsFor(name) {
  if (next() < 0.2) return many(6, anything);
  const values = { executeOp: () => pick(tensors), executeOpAside: () => pick(tensors), recordOp: () => int(6) };
  if (name in values)
    return [
      pick(OPS),
      many(4, () => ({ name: pick(ATTRIBUTES), value: anything() })),
      many(4, values[name]),
      pick([0, 1, 1, 1, 2, 3]),
      int(1e6),
    ];
  if (name === 'recordInput') return [pick([1, 3, 10]), many(3, () => pick([1, 2, 3]))];
  if (name === 'recordConstant') return [pick(tensors)];
  if (name === 'recordEnd')
    return [pick(['', `f${int(1e6)}`]), many(3, () => int(4)), many(3, () => int(5)), int(2) === 1];
  return many(6, anything);
}

const names = Object.keys(addon).filter((name) => !['load', 'deleteTensor'].includes(name));
const counts = { results: 0, errors: 0 };
for (let i = 0; i < Number(calls); i++) {
  const name = pick([...names, 'executeOp', 'executeOp', 'recordOp', 'recordOp', 'recordStart']);
  const given = argumentsFor(name);
  if (log)
    writeFileSync(
      log,
      `${name} ${JSON.stringify(given, (_key, value) => (typeof value === 'bigint' ? String(value) : value))}`,
    );
  try {
    await addon[name](...given);
    counts.results++;
  } catch (error) {
    if (typeof error?.message !== 'string' || error.message === '') throw error;
    counts.errors++;
  }
}
console.log(JSON.stringify(counts));
