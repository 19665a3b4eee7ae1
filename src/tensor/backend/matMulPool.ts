import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { COLUMNS, JOB, matMulModule, ROWS, scratchBytes } from './matMulCode';

/** Products c[i] = a[i] b[i] of a batch. Addresses and strides in bytes; a batch stride of 0: the same matrix for the whole batch. */
export type Products = Record<
  | 'a'
  | 'b'
  | 'c'
  | 'M'
  | 'N'
  | 'K'
  | 'rowStride'
  | 'kStride'
  | 'bRowStride'
  | 'bColumnStride'
  | 'aBatch'
  | 'bBatch'
  | 'cBatch',
  number
> & { batch: number };

interface Functions {
  pack(b: number, out: number, K: number, N: number, rowStride: number, columnStride: number): void;
  task(job: number, index: number, thread: number): void;
}

/** Places in the control block: how many jobs there were, tasks left to take, tasks done, whether the main thread sleeps; then the job. */
const [STARTED, LEFT, DONE, SLEEPING, FIELDS] = [0, 1, 2, 3, 4];
const CONTROL_BYTES = (FIELDS + JOB.length) * 4;
/** Multiply-adds of a task: some 50 microseconds. Smaller products are not worth waking anybody. */
const TASK_SIZE = 1_000_000;
/** Rows of a task at most: they stay in the processor's cache while the panels go by. */
const MOST_ROWS = 256;
/** Rounds a thread looks for work, or for the end of others' work, before it sleeps. */
const ROUNDS = 20_000;

/**
 * A helping thread. It takes a task by counting LEFT down; the job cannot end, nor its fields change, before that task is counted in
 * DONE. So nobody ever waits for a thread that sleeps or that the machine does not run, only for tasks that were begun.
 */
const HELPER = `
const { workerData: { module, memory, control, thread } } = require('node:worker_threads');
const { task } = new WebAssembly.Instance(module, { env: { memory } }).exports;
const state = new Int32Array(memory.buffer, control, ${FIELDS});
const job = control + ${FIELDS * 4};
for (;;) {
  const started = Atomics.load(state, ${STARTED});
  for (let round = 0; round < ${ROUNDS}; round++) {
    const left = Atomics.load(state, ${LEFT});
    if (left <= 0 || Atomics.compareExchange(state, ${LEFT}, left, left - 1) !== left) continue;
    task(job, left - 1, thread);
    Atomics.add(state, ${DONE}, 1);
    if (Atomics.load(state, ${SLEEPING}) === 1) Atomics.notify(state, ${DONE});
    round = 0;
  }
  Atomics.wait(state, ${STARTED}, started);
}
`;

/** Compiles the fused variant where this Node knows relaxed SIMD (Node 20: behind a flag of V8), else the plain one. */
function compile(): WebAssembly.Module {
  let bytes = matMulModule(true);
  if (!WebAssembly.validate(bytes) && process.versions.node.startsWith('20.'))
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  if (!WebAssembly.validate(bytes)) bytes = matMulModule(false);
  return new WebAssembly.Module(bytes);
}

/** Matrix products on the shared memory of the wasm backend, by the calling thread and `threads - 1` others. */
export class MatMulPool {
  private readonly functions: Functions;
  private readonly control: number;
  private readonly state: Int32Array;
  private scratch = { address: 0, bytes: 0 };
  private readonly helpers: Worker[] = [];

  constructor(
    memory: WebAssembly.Memory,
    /** malloc throws where there is no memory. */
    private readonly allocate: { malloc(bytes: number): number; free(address: number): void },
    readonly threads: number,
  ) {
    const module = compile();
    this.functions = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Functions;
    this.control = allocate.malloc(CONTROL_BYTES) >>> 0;
    this.state = new Int32Array(memory.buffer, this.control, CONTROL_BYTES / 4).fill(0);
    for (let thread = 1; thread < threads; thread++) {
      const workerData = { module, memory, control: this.control, thread };
      const helper = new Worker(HELPER, { eval: true, workerData, stdout: true, stderr: true });
      helper.unref();
      this.helpers.push(helper);
    }
  }

  /** Computes; the result does not depend on who did which part. */
  run(products: Products): void {
    const { batch, b, M, N, K, bRowStride, bColumnStride, bBatch } = products;
    const shared = batch === 1 || bBatch === 0;
    // few rows do not repay the packing of an operand that can be read as it lies
    const asItLies = shared && M <= 4 * ROWS && bColumnStride === 4 && N % COLUMNS === 0;
    const rowsPerTask = Math.min(MOST_ROWS, Math.ceil(TASK_SIZE / (N * K) / ROWS) * ROWS);
    const blocks = Math.ceil(M / rowsPerTask);
    const tasks = batch * blocks;
    const own = scratchBytes(N, K, !shared);
    const packedBytes = shared && !asItLies ? scratchBytes(N, K, true) - scratchBytes(N, K, false) : 0;
    const scratch = this.room(packedBytes + own * this.threads);
    if (packedBytes > 0) this.functions.pack(b, scratch, K, N, bRowStride, bColumnStride);
    const fields: Record<(typeof JOB)[number], number> = {
      ...products,
      ...{ rowsPerTask, blocks, packed: asItLies ? b : shared ? scratch : 0, scratch: scratch + packedBytes },
      ...{ scratchBytes: own, panelStep: asItLies ? COLUMNS * 4 : COLUMNS * 4 * K },
      panelStride: asItLies ? bRowStride : COLUMNS * 4,
    };
    JOB.forEach((name, i) => {
      this.state[FIELDS + i] = fields[name];
    });
    if (this.helpers.length === 0 || tasks === 1 || M * N * K * batch < TASK_SIZE) {
      for (let index = 0; index < tasks; index++) this.functions.task(this.control + FIELDS * 4, index, 0);
    } else this.share(tasks);
  }

  private share(tasks: number): void {
    const { state } = this;
    Atomics.store(state, DONE, 0);
    Atomics.store(state, LEFT, tasks);
    Atomics.add(state, STARTED, 1);
    Atomics.notify(state, STARTED);
    for (;;) {
      const left = Atomics.load(state, LEFT);
      if (left <= 0) break;
      if (Atomics.compareExchange(state, LEFT, left, left - 1) !== left) continue;
      this.functions.task(this.control + FIELDS * 4, left - 1, 0);
      Atomics.add(state, DONE, 1);
    }
    for (let round = 0; Atomics.load(state, DONE) < tasks; round++) {
      if (round < ROUNDS) continue;
      Atomics.store(state, SLEEPING, 1);
      const done = Atomics.load(state, DONE);
      if (done < tasks) Atomics.wait(state, DONE, done, 1);
      Atomics.store(state, SLEEPING, 0);
    }
  }

  /** Scratch memory of at least so many bytes, kept for the next product. */
  private room(bytes: number): number {
    if (bytes > this.scratch.bytes) {
      if (this.scratch.address !== 0) this.allocate.free(this.scratch.address);
      this.scratch = { address: 0, bytes: 0 };
      this.scratch = { address: this.allocate.malloc(bytes) >>> 0, bytes };
    }
    return this.scratch.address;
  }
}
