import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../base/packageRoot';
import { JOB_BYTES, type Job, writeJob, writeRoom } from './wasmJobs';

interface Functions {
  task(job: number, index: number, thread: number): void;
  roomOf(job: number): number;
  __stack_pointer: { value: number };
}

/** Places in the control block: how many jobs there were, tasks left to take, tasks done, whether the main thread sleeps; then the job. */
const [STARTED, LEFT, DONE, SLEEPING, FIELDS] = [0, 1, 2, 3, 4];
const CONTROL_BYTES = FIELDS * 4 + JOB_BYTES;
/** Multiply-adds of a task: some 50 microseconds. Smaller jobs are not worth waking anybody. */
const TASK_SIZE = 1_000_000;
/** Rounds a thread looks for work, or for the end of others' work, before it sleeps. */
const ROUNDS = 20_000;
const STACK_BYTES = 65_536;

/**
 * A helping thread. It takes a task by counting LEFT down; the job cannot end, nor its fields change, before that task is counted in
 * DONE. So nobody ever waits for a thread that sleeps or that the machine does not run, only for tasks that were begun.
 */
const HELPER = `
const { workerData: { module, memory, control, stack, thread } } = require('node:worker_threads');
const { task, __stack_pointer } = new WebAssembly.Instance(module, { env: { memory } }).exports;
__stack_pointer.value = stack;
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

export const kernelsFile = (name: 'relaxed' | 'plain'): string =>
  join(packageRoot(), 'native', 'prebuilds', 'wasm', `${name}.wasm`);

/** Compiles the variant with relaxed SIMD where this Node knows it (Node 20: behind a flag of V8), else the plain one. */
function compile(): WebAssembly.Module {
  const relaxed = readFileSync(kernelsFile('relaxed'));
  if (!WebAssembly.validate(relaxed) && process.versions.node.startsWith('20.'))
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : readFileSync(kernelsFile('plain')));
}

/** Our kernels on the shared memory of the wasm backend, by the calling thread and `threads - 1` others. */
export class WasmPool {
  private readonly functions: Functions;
  private readonly state: Int32Array;
  private readonly floats: Float32Array;
  private readonly job: number;
  private room = { address: 0, bytes: 0 };
  private readonly helpers: Worker[] = [];

  constructor(
    readonly memory: WebAssembly.Memory,
    /** malloc throws where there is no memory. */
    private readonly allocate: { malloc(bytes: number): number; free(address: number): void },
    readonly threads: number,
  ) {
    const module = compile();
    this.functions = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Functions;
    const control = allocate.malloc(CONTROL_BYTES + threads * STACK_BYTES + 16) >>> 0;
    const stacks = Math.ceil((control + CONTROL_BYTES) / 16) * 16;
    const stackOf = (thread: number) => stacks + (thread + 1) * STACK_BYTES;
    this.functions.__stack_pointer.value = stackOf(0);
    this.state = new Int32Array(memory.buffer, control, CONTROL_BYTES / 4).fill(0);
    this.floats = new Float32Array(memory.buffer, control, CONTROL_BYTES / 4);
    this.job = control + FIELDS * 4;
    for (let thread = 1; thread < threads; thread++) {
      const workerData = { module, memory, control, stack: stackOf(thread), thread };
      const helper = new Worker(HELPER, { eval: true, workerData, stdout: true, stderr: true });
      helper.unref();
      this.helpers.push(helper);
    }
  }

  /** Computes; the result does not depend on who did which part. */
  run(job: Job): void {
    if (job.count === 0) return;
    const wanted = this.helpers.length === 0 ? 1 : Math.ceil(job.cost / TASK_SIZE);
    const each = Math.ceil(job.count / Math.min(job.count, wanted));
    const tasks = Math.ceil(job.count / each);
    writeJob(this.state, this.floats, FIELDS * 4, job, each);
    const own = this.functions.roomOf(this.job);
    // their own lines of the cache for all
    const bytes = Math.ceil(own / 64) * 64;
    if (own > 0) writeRoom(this.state, FIELDS * 4, this.roomFor(bytes * this.threads), bytes);
    if (tasks === 1) this.functions.task(this.job, 0, 0);
    else this.share(tasks);
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
      this.functions.task(this.job, left - 1, 0);
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

  /** Memory of at least so many bytes that jobs use as they like, kept for the next one; a multiple of 64. */
  private roomFor(bytes: number): number {
    if (bytes > this.room.bytes) {
      if (this.room.address !== 0) this.allocate.free(this.room.address);
      this.room = { address: 0, bytes: 0 };
      this.room = { address: this.allocate.malloc(bytes + 64) >>> 0, bytes };
    }
    return Math.ceil(this.room.address / 64) * 64;
  }
}
