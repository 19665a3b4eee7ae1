import {
  add,
  advance,
  assemble,
  below,
  both,
  type Code,
  call,
  divide,
  equal,
  floatZero,
  get,
  less,
  loadFloat,
  loadNumber,
  loadSplat,
  loadVector,
  multiply,
  multiplyAdd,
  number,
  repeat,
  set,
  smaller,
  storeFloat,
  storeVector,
  subtract,
  vectorZero,
  type WasmFunction,
  when,
} from './wasmAssembler';

// The product of two float32 matrices, written for the four lanes of WebAssembly's vectors: a tile of ROWS x COLUMNS of the result stays in
// registers while a row of k's is summed, one k at a time: V8 of Node 20 and 22 runs out of registers where the loop is unrolled. The right operand is first packed into panels of COLUMNS columns, [panel][k][column], so
// that the inner loop reads it in order, whichever way it was stored. Strides and addresses are in bytes.

/** One vector of a transposed left operand. */
export const ROWS = 4;
export const COLUMNS = 8;
const FLOAT = 4;

/** pack(b, out, K, N, rowStride, columnStride): the right operand [K, N] into panels, zeros beyond column N. */
function pack(): WasmFunction {
  const [b, out, K, N, rowStride, columnStride, j, k, from, to, c] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const rowBytes = COLUMNS * FLOAT;
  const wholeRows: Code = [
    ...set(from, add(get(b), multiply(get(j), number(FLOAT)))),
    ...set(to, get(out)),
    ...set(k, get(K)),
    ...repeat(get(k), [
      ...storeVector(get(to), loadVector(get(from))),
      ...storeVector(get(to), loadVector(get(from), 16), 16),
      ...set(from, add(get(from), get(rowStride))),
      ...advance(to, rowBytes),
      ...advance(k, -1),
    ]),
  ];
  const column: Code = [
    ...set(from, add(get(b), multiply(add(get(j), get(c)), get(columnStride)))),
    ...set(to, add(get(out), multiply(get(c), number(FLOAT)))),
    ...set(k, get(K)),
    ...when(
      less(add(get(j), get(c)), get(N)),
      repeat(get(k), [
        ...storeFloat(get(to), loadFloat(get(from))),
        ...set(from, add(get(from), get(rowStride))),
        ...advance(to, rowBytes),
        ...advance(k, -1),
      ]),
      repeat(get(k), [...storeFloat(get(to), floatZero), ...advance(to, rowBytes), ...advance(k, -1)]),
    ),
  ];
  const body: Code = [
    ...set(j, number(0)),
    ...repeat(less(get(j), get(N)), [
      ...when(
        both(equal(get(columnStride), number(FLOAT)), less(add(get(j), number(COLUMNS - 1)), get(N))),
        wholeRows,
        [...set(c, number(0)), ...repeat(less(get(c), number(COLUMNS)), [...column, ...advance(c, 1)])],
      ),
      ...set(out, add(get(out), multiply(get(K), number(rowBytes)))),
      ...advance(j, COLUMNS),
    ]),
  ];
  return { name: 'pack', parameters: 6, i32: 5, v128: 0, body };
}

/**
 * multiply(a, b, c, M, N, K, rowStride, kStride, scratch, panelStep, panelStride): c [M, N] = a [M, K] x b. Panel j begins panelStep
 * j bytes after b, its rows are panelStride bytes apart, so that b can be packed or a whole number of panels wide. Where a is stored
 * transposed (rowStride 4), ROWS of its columns are first copied to `scratch`, so that they too are read in order. scratch: 128 bytes for a tile
 * at the edge, then 16 K bytes.
 */
function product(fused: boolean): WasmFunction {
  const [a, b, c, M, N, K, rowStride, kStride, scratch, panelStep, panelStride] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const [i, j, k, panel, to, r, q, end] = [11, 12, 13, 14, 15, 16, 17, 18];
  const pointer = (row: number) => 19 + row;
  const accumulator = (row: number, half: number) => 19 + ROWS + row * 2 + half;
  const [left, right, splat] = [19 + ROWS * 3, 20 + ROWS * 3, 21 + ROWS * 3];
  const rows = [...Array(ROWS).keys()];
  const tileBytes = ROWS * COLUMNS * FLOAT;
  const rowBytes = multiply(get(N), number(FLOAT));

  /** The sums over all k of one tile. inOrder: a's values lie [k][row] from pointer(0) on; else each row has its pointer. */
  const sums = (inOrder: boolean): Code => [
    ...rows.flatMap((row) => [...set(accumulator(row, 0), vectorZero), ...set(accumulator(row, 1), vectorZero)]),
    ...set(k, get(K)),
    ...repeat(get(k), [
      ...set(left, loadVector(get(panel))),
      ...set(right, loadVector(get(panel), 16)),
      ...rows.flatMap((row) => [
        ...set(splat, inOrder ? loadSplat(get(pointer(0)), row * FLOAT) : loadSplat(get(pointer(row)))),
        ...set(accumulator(row, 0), multiplyAdd(get(splat), get(left), get(accumulator(row, 0)), fused)),
        ...set(accumulator(row, 1), multiplyAdd(get(splat), get(right), get(accumulator(row, 1)), fused)),
      ]),
      ...set(panel, add(get(panel), get(panelStride))),
      ...(inOrder ? advance(pointer(0), ROWS * FLOAT) : rows.flatMap((row) => advance(pointer(row), FLOAT))),
      ...advance(k, -1),
    ]),
  ];
  const store = (address: Code, stride: Code): Code => [
    ...set(to, address),
    ...rows.flatMap((row) => [
      ...storeVector(get(to), get(accumulator(row, 0))),
      ...storeVector(get(to), get(accumulator(row, 1)), 16),
      ...(row + 1 < ROWS ? set(to, add(get(to), stride)) : []),
    ]),
  ];
  const place = add(get(c), multiply(add(multiply(get(i), get(N)), get(j)), number(FLOAT)));
  /** The part of the tile in scratch that lies inside of c. */
  const copyEdge: Code = [
    ...set(r, number(0)),
    ...repeat(less(get(r), smaller(number(ROWS), subtract(get(M), get(i)))), [
      ...set(to, add(place, multiply(get(r), rowBytes))),
      ...set(q, add(get(scratch), multiply(get(r), number(COLUMNS * FLOAT)))),
      ...set(end, add(get(q), multiply(smaller(number(COLUMNS), subtract(get(N), get(j))), number(FLOAT)))),
      ...repeat(below(get(q), get(end)), [
        ...storeFloat(get(to), loadFloat(get(q))),
        ...advance(q, FLOAT),
        ...advance(to, FLOAT),
      ]),
      ...advance(r, 1),
    ]),
  ];
  const tile = (inOrder: boolean): Code => [
    ...sums(inOrder),
    ...when(
      both(less(add(get(i), number(ROWS - 1)), get(M)), less(add(get(j), number(COLUMNS - 1)), get(N))),
      store(place, rowBytes),
      [...store(get(scratch), number(COLUMNS * FLOAT)), ...copyEdge],
    ),
  ];
  const last = (row: number): Code => smaller(add(get(i), number(row)), subtract(get(M), number(1)));
  /** ROWS columns of a transposed operand, from column i on, to scratch as [k][row]; beyond the last one it is repeated. */
  const copyColumns: Code = [
    ...set(to, add(get(scratch), number(tileBytes))),
    ...set(k, get(K)),
    ...when(
      less(add(get(i), number(ROWS - 1)), get(M)),
      [
        ...set(q, add(get(a), multiply(get(i), number(FLOAT)))),
        ...repeat(get(k), [
          ...storeVector(get(to), loadVector(get(q))),
          ...set(q, add(get(q), get(kStride))),
          ...advance(to, ROWS * FLOAT),
          ...advance(k, -1),
        ]),
      ],
      [
        ...rows.flatMap((row) => set(pointer(row), add(get(a), multiply(last(row), number(FLOAT))))),
        ...repeat(get(k), [
          ...rows.flatMap((row) => [
            ...storeFloat(get(to), loadFloat(get(pointer(row))), row * FLOAT),
            ...set(pointer(row), add(get(pointer(row)), get(kStride))),
          ]),
          ...advance(to, ROWS * FLOAT),
          ...advance(k, -1),
        ]),
      ],
    ),
  ];
  const eachRowOfTiles = (body: Code): Code => [
    ...set(i, number(0)),
    ...repeat(less(get(i), get(M)), [...body, ...advance(i, ROWS)]),
  ];
  const eachPanel = (body: Code): Code => [
    ...set(j, number(0)),
    ...repeat(less(get(j), get(N)), [...body, ...advance(j, COLUMNS)]),
  ];
  const panelOfJ = set(panel, add(get(b), multiply(divide(get(j), number(COLUMNS)), get(panelStep))));
  const body = when(
    equal(get(kStride), number(FLOAT)),
    eachPanel(
      eachRowOfTiles([
        ...rows.flatMap((row) => set(pointer(row), add(get(a), multiply(last(row), get(rowStride))))),
        ...panelOfJ,
        ...tile(false),
      ]),
    ),
    eachRowOfTiles([
      ...copyColumns,
      ...eachPanel([...set(pointer(0), add(get(scratch), number(tileBytes))), ...panelOfJ, ...tile(true)]),
    ]),
  );
  return { name: 'multiply', parameters: 11, i32: 8 + ROWS, v128: ROWS * 2 + 3, body };
}

/** What a job is: int32s in this order at one address. Batch strides are 0 where one matrix serves the whole batch. */
export const JOB = [
  ...['a', 'b', 'c', 'M', 'N', 'K', 'rowStride', 'kStride', 'bRowStride', 'bColumnStride'],
  ...[
    'aBatch',
    'bBatch',
    'cBatch',
    'rowsPerTask',
    'blocks',
    'packed',
    'scratch',
    'scratchBytes',
    'panelStep',
    'panelStride',
  ],
] as const;

/** Bytes of scratch that one thread needs; packs: whether its tasks pack the right operand themselves. */
export function scratchBytes(N: number, K: number, packs: boolean): number {
  return ROWS * COLUMNS * FLOAT + ROWS * FLOAT * K + (packs ? Math.ceil(N / COLUMNS) * COLUMNS * FLOAT * K : 0);
}

/** task(job, index, thread): a block of rows of one product of the batch. Where the job names no right operand `packed`, it packs its own. */
function task(): WasmFunction {
  const [job, index, thread, batch, first, scratch, packed] = [0, 1, 2, 3, 4, 5, 6];
  const field = (name: (typeof JOB)[number]) => loadNumber(get(job), JOB.indexOf(name) * 4);
  const ofBatch = (base: 'a' | 'b' | 'c') => add(field(base), multiply(get(batch), field(`${base}Batch`)));
  const body: Code = [
    ...set(batch, divide(get(index), field('blocks'))),
    ...set(first, multiply(subtract(get(index), multiply(get(batch), field('blocks'))), field('rowsPerTask'))),
    ...set(scratch, add(field('scratch'), multiply(get(thread), field('scratchBytes')))),
    ...set(packed, field('packed')),
    ...when(equal(get(packed), number(0)), [
      ...set(
        packed,
        add(add(get(scratch), number(ROWS * COLUMNS * FLOAT)), multiply(field('K'), number(ROWS * FLOAT))),
      ),
      ...call(0, ofBatch('b'), get(packed), field('K'), field('N'), field('bRowStride'), field('bColumnStride')),
    ]),
    ...call(
      1,
      add(ofBatch('a'), multiply(get(first), field('rowStride'))),
      get(packed),
      add(ofBatch('c'), multiply(multiply(get(first), field('N')), number(FLOAT))),
      smaller(field('rowsPerTask'), subtract(field('M'), get(first))),
      ...[field('N'), field('K'), field('rowStride'), field('kStride'), get(scratch)],
      ...[field('panelStep'), field('panelStride')],
    ),
  ];
  return { name: 'task', parameters: 3, i32: 4, v128: 0, body };
}

/** The module's bytes. `fused`: with relaxed SIMD's multiply-add, twice as fast where the engine knows it. */
export function matMulModule(fused: boolean): Uint8Array<ArrayBuffer> {
  return assemble([pack(), product(fused), task()]);
}
