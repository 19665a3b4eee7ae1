import { resolveObjectURL } from 'node:buffer';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/**
 * What runs inside a thread: the backend's worker script, which is written for Node but is evaluated as text here, so it gets the names
 * of a module. It asks for the main script with importScripts. That must be the package's file: the backend would send the text of its
 * own function, which in a bundle names things outside of itself.
 */
const BOOTSTRAP = `
const { workerData } = require('node:worker_threads');
Object.assign(globalThis, { require, __filename: 'thread', __dirname: '.' });
(0, eval)(workerData.worker);
globalThis.importScripts = () => (0, eval)(workerData.main);
`;

type Message = { cmd?: string };
type Listener = (data: unknown) => void;

/**
 * Stands for one of the eight workers that the backend wants at its start: the thread itself starts only when the backend gives it
 * work to run, so that a process has no more threads than it uses. Threads do not keep the process alive.
 */
class LazyWorker {
  private readonly listeners: { [event: string]: Listener[] } = {};
  private thread: Worker | undefined;
  private load: Message = {};
  private scripts = { worker: '', main: '' };

  /** url: the worker script's blob. main: file of the binary's script. */
  constructor(
    private readonly url: string,
    private readonly main: string,
  ) {}

  on(event: string, listener: Listener): void {
    this.listeners[event] = [...(this.listeners[event] ?? []), listener];
  }

  private emit(event: string, data: unknown): void {
    for (const listener of this.listeners[event] ?? []) listener(data);
  }

  postMessage(message: Message): void {
    if (message.cmd === 'load') void this.prepare(message);
    else if (message.cmd === 'run' && this.thread === undefined) this.start(message);
    else this.thread?.postMessage(message);
  }

  /** Reads both scripts and says what a loaded thread would say. */
  private async prepare(load: Message): Promise<void> {
    const worker = await resolveObjectURL(this.url)?.text();
    if (worker === undefined) throw new Error('the script of the engine threads is gone');
    this.scripts = { worker, main: readFileSync(this.main, 'utf8') };
    this.load = { ...load, urlOrBlob: 'main' } as Message;
    this.emit('message', { cmd: 'loaded' });
  }

  private start(run: Message): void {
    // its output is swallowed: the process's stdout belongs to whoever uses the engine
    this.thread = new Worker(BOOTSTRAP, { eval: true, workerData: this.scripts, stdout: true, stderr: true });
    this.thread.on('message', (data: Message) => {
      if (data.cmd !== 'loaded') this.emit('message', data);
    });
    this.thread.on('error', (error) => this.emit('error', error));
    this.thread.postMessage(this.load);
    this.thread.postMessage(run);
    this.thread.unref();
  }

  ref(): void {}
  unref(): void {}
  terminate(): void {
    void this.thread?.terminate();
  }
}

/**
 * Lets the backend use `threads` threads while `start` starts it. The backend refuses threads under Node, starts its workers from blob
 * addresses, which Node's workers cannot open, and allows fewer threads than half the cores; each is put right for the time of the start. `script`: file of the threaded binary's script.
 */
export async function withThreads(threads: number, script: string, start: () => Promise<void>): Promise<void> {
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  setThreadsCount(threads);
  const cpus = os.cpus;
  const worker = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  const one = cpus()[0];
  os.cpus = () => new Array<os.CpuInfo>(threads * 2).fill(one as os.CpuInfo);
  class FileWorker extends LazyWorker {
    constructor(url: string) {
      super(url, script);
    }
  }
  // the backend assigns Node's Worker to the global name before it uses it: the assignment must have no effect
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => FileWorker, set: () => undefined });
  try {
    await start();
  } finally {
    os.cpus = cpus;
    if (worker === undefined) Reflect.deleteProperty(globalThis, 'Worker');
    else Object.defineProperty(globalThis, 'Worker', worker);
  }
}
