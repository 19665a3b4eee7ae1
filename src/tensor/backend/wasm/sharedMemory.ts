import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

type Listener = (data: unknown) => void;

/**
 * Starts the wasm backend's threaded binary, whose memory threads can share, without its own threads, and returns that memory. Its
 * threads wait for one another at every operation, which on a busy machine costs several times what they save; ours (wasmPool.ts)
 * do not. The backend refuses threads under Node, and insists on eight workers: it gets stand-ins that say they are ready, to which it
 * gives the memory.
 */
export async function withSharedMemory(start: () => Promise<void>): Promise<WebAssembly.Memory> {
  let memory: WebAssembly.Memory | undefined;

  class StandIn {
    private readonly listeners: { [event: string]: Listener[] } = {};

    on(event: string, listener: Listener): void {
      this.listeners[event] = [...(this.listeners[event] ?? []), listener];
    }

    postMessage(message: { cmd?: string; wasmMemory?: WebAssembly.Memory }): void {
      if (message.cmd !== 'load') throw new Error(`the wasm backend asks for a thread of its own (${message.cmd})`);
      memory = message.wasmMemory;
      setImmediate(() => {
        for (const listener of this.listeners['message'] ?? []) listener({ cmd: 'loaded' });
      });
    }

    unref(): void {}
    terminate(): void {}
  }

  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  setThreadsCount(1);
  const worker = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  // the backend assigns Node's Worker to the global name before it uses it: the assignment must have no effect
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => StandIn, set: () => undefined });
  try {
    await start();
  } finally {
    if (worker === undefined) Reflect.deleteProperty(globalThis, 'Worker');
    else Object.defineProperty(globalThis, 'Worker', worker);
  }
  if (memory === undefined) throw new Error('the wasm backend started without shared memory');
  return memory;
}
