import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../../base/packageRoot';
import { JOB_BYTES, type Job, writeJob } from './wasmJobs';

interface Functions {
  task(job: number, index: number, thread: number): void;
  roomOf(job: number): number;
  __stack_pointer: { value: number };
}

/**
 * Places in the control block: how many jobs there were, tasks left to take, tasks done, whether the main thread sleeps, and where the job
 * is. Then the threads' room (its address, and bytes of each), two zeros, and the place of a job that is run at once.
 */
const [STARTED, LEFT, DONE, SLEEPING, JOB, ROOMS, ZEROS, OWN] = [0, 1, 2, 3, 4, 5, 7, 9];
const CONTROL_BYTES = OWN * 4 + JOB_BYTES;
/** Multiply-adds of a task: some 7 microseconds. Smaller jobs are not worth waking anybody. */
const TASK_SIZE = 200_000;
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
const state = new Int32Array(memory.buffer, control, ${JOB + 1});
for (;;) {
  const started = Atomics.load(state, ${STARTED});
  for (let round = 0; round < ${ROUNDS}; round++) {
    const left = Atomics.load(state, ${LEFT});
    if (left <= 0 || Atomics.compareExchange(state, ${LEFT}, left, left - 1) !== left) continue;
    task(Atomics.load(state, ${JOB}), left - 1, thread);
    Atomics.add(state, ${DONE}, 1);
    if (Atomics.load(state, ${SLEEPING}) === 1) Atomics.notify(state, ${DONE});
    round = 0;
  }
  Atomics.wait(state, ${STARTED}, started);
}
`;

/** Our kernels with relaxed SIMD, and without. */
export const kernelFiles = (): [relaxed: string, plain: string] => {
  const folder = join(packageRoot(), 'native', 'prebuilds', 'wasm');
  return [join(folder, 'relaxed.wasm'), join(folder, 'plain.wasm')];
};

/** Compiles the variant with relaxed SIMD where this Node knows it (Node 20: behind a flag of V8), else the plain one. */
function compile(): WebAssembly.Module {
  const [relaxedFile, plainFile] = kernelFiles();
  const relaxed = readFileSync(relaxedFile);
  if (!WebAssembly.validate(relaxed) && process.versions.node.startsWith('20.'))
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : readFileSync(plainFile));
}

/** Our kernels on the shared memory of the wasm backend, by the calling thread and `threads - 1` others. */
export class WasmPool {
  private readonly functions: Functions;
  private readonly state: Int32Array;
  private readonly views: { integers: Int32Array; floats: Float32Array };
  private readonly control: number;
  private room = { address: 0, bytes: 0 };
  private readonly helpers: Worker[] = [];

  constructor(
    readonly memory: WebAssembly.Memory,
    /** malloc throws where there is no memory. */
    readonly allocate: { malloc(bytes: number): number; free(address: number): void },
    readonly threads: number,
  ) {
    const module = compile();
    this.functions = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Functions;
    const control = allocate.malloc(CONTROL_BYTES + threads * STACK_BYTES + 16) >>> 0;
    const stacks = Math.ceil((control + CONTROL_BYTES) / 16) * 16;
    const stackOf = (thread: number) => stacks + (thread + 1) * STACK_BYTES;
    this.functions.__stack_pointer.value = stackOf(0);
    this.state = new Int32Array(memory.buffer, control, CONTROL_BYTES / 4).fill(0);
    this.views = { integers: this.state, floats: new Float32Array(memory.buffer, control, CONTROL_BYTES / 4) };
    this.control = control;
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
    const { each, tasks } = this.parts(job);
    writeJob(this.views, OWN, job, { each, rooms: this.rooms });
    const address = this.control + OWN * 4;
    this.makeRoom(this.functions.roomOf(address));
    this.execute(address, tasks);
  }

  /** In how many tasks a job is worth to be done, and rows of each. */
  parts({ count, cost }: Job): { each: number; tasks: number } {
    const wanted = this.helpers.length === 0 ? 1 : Math.ceil(cost / TASK_SIZE);
    const each = Math.ceil(count / Math.max(1, Math.min(count, wanted)));
    return { each, tasks: Math.ceil(count / each) };
  }

  /** Where jobs are told of the threads' room. */
  get rooms(): number {
    return this.control + ROOMS * 4;
  }

  /** Two zeros: no hole. */
  get zeros(): number {
    return this.control + ZEROS * 4;
  }

  /** Bytes of room that each thread needs for the job that is written there. */
  roomOf(job: number): number {
    return this.functions.roomOf(job);
  }

  /** Does the job that is written there, in so many tasks. There must be room. */
  execute(job: number, tasks: number): void {
    if (tasks === 1) this.functions.task(job, 0, 0);
    else this.share(job, tasks);
  }

  private share(job: number, tasks: number): void {
    const { state } = this;
    Atomics.store(state, JOB, job);
    Atomics.store(state, DONE, 0);
    Atomics.store(state, LEFT, tasks);
    Atomics.add(state, STARTED, 1);
    Atomics.notify(state, STARTED);
    for (;;) {
      const left = Atomics.load(state, LEFT);
      if (left <= 0) break;
      if (Atomics.compareExchange(state, LEFT, left, left - 1) !== left) continue;
      this.functions.task(job, left - 1, 0);
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

  /** Room of at least so many bytes for each thread, kept for the next job. */
  makeRoom(bytes: number): void {
    // their own lines of the cache for all
    const each = Math.ceil(bytes / 64) * 64;
    if (each <= this.room.bytes) return;
    if (this.room.address !== 0) this.allocate.free(this.room.address);
    this.room = { address: 0, bytes: 0 };
    this.room = { address: this.allocate.malloc(each * this.threads + 64) >>> 0, bytes: each };
    this.state[ROOMS] = Math.ceil(this.room.address / 64) * 64;
    this.state[ROOMS + 1] = each;
  }
}
