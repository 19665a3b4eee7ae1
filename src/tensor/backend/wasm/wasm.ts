import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { type BackendWasm, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../../base/problem';
import type { EngineCandidate } from '../candidate';
import { registerRecording } from '../recording';
import { withSharedMemory } from './sharedMemory';
import { WasmCompute } from './wasmCompute';
import { registerWasmFused } from './wasmFused';
import { mendKernels } from './wasmKernels';
import { kernelFiles, WasmPool } from './wasmPool';
import { WasmRecorder } from './wasmRecorder';
import { wasmRecording } from './wasmRecording';

const DEVICE = 'CPU (WebAssembly SIMD)';
const BINARY = 'tfjs-backend-wasm-threaded-simd.wasm';

/** Folder of the backend's binaries, with a slash at its end: beside the bundle (dist/wasm), or in the package when run from source. */
function binaries(): string {
  const folders = [join(__dirname, 'wasm')];
  try {
    folders.push(dirname(createRequire(__filename).resolve('@tensorflow/tfjs-backend-wasm')));
  } catch {
    // not installed as a package: the bundle's own files must be there
  }
  const folder = folders.find((it) => existsSync(join(it, BINARY)));
  const missing = folder ? kernelFiles().find((file) => !existsSync(file)) : join(folders[0] as string, BINARY);
  if (folder && !missing) return `${folder}/`;
  throw new Problem(
    'engineFiles',
    `The WebAssembly engine's file ${missing} is missing; build or install Sparring again.`,
  );
}

let started: { device: string; threads: number } | undefined;

/** Starts the backend, and takes back the process-wide error listeners that its binary's script adds (they rethrow everything). */
async function start(): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.rawListeners(event));
  const ok = await tf.setBackend('wasm');
  events.forEach((event, i) => {
    for (const listener of process.rawListeners(event))
      if (!before[i]?.includes(listener)) process.removeListener(event, listener as () => void);
  });
  if (!ok)
    throw new Problem('engineStart', 'The WebAssembly engine did not start; this Node may lack WebAssembly SIMD.');
}

interface Heap {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

const GIGABYTE = 2 ** 30;

/** Without this, a tensor for which there is no memory is written to address 0 without a word. */
function guardMemory(wasm: Heap): void {
  // the script's function puts the binary's own in its place at the first call
  wasm._free(wasm._malloc(4));
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    // more than 2 GB at once is a negative number to the binary, whose answer may be any address
    const address = bytes < 2 * GIGABYTE ? malloc(bytes) : 0;
    if (address !== 0) return address;
    const [used, more] = [tf.memory().numBytes, bytes].map((it) => (it / GIGABYTE).toFixed(2));
    throw new Problem(
      'engineMemory',
      `The WebAssembly engine can hold 4 GB, 2 GB in one piece: ${used} GB are in use and ${more} GB more do not fit. ` +
        'Use training.gradientCheckpointing, precision: nf4, smaller batches or shorter sequences, or the native engine.',
    );
  };
}

/**
 * Starts the wasm backend on `threads` threads (default: one per core) and makes it current. The first start in a process decides that number.
 * Values do not depend on it.
 */
export async function startWasm(threads = availableParallelism()): Promise<{ device: string; threads: number }> {
  if (started === undefined) {
    setWasmPaths(binaries());
    const memory = await withSharedMemory(start);
    const wasm = (tf.backend() as BackendWasm).wasm as unknown as Heap;
    guardMemory(wasm);
    const allocate = { malloc: (bytes: number) => wasm._malloc(bytes), free: (at: number) => wasm._free(at) };
    const pool = new WasmPool(memory, allocate, Math.max(1, threads));
    const backend = tf.backend() as BackendWasm;
    const compute = new WasmCompute(pool, backend, new WasmRecorder(backend));
    mendKernels(compute);
    registerWasmFused(compute);
    registerRecording('wasm', wasmRecording(compute));
    started = { device: DEVICE, threads: pool.threads };
  } else await tf.setBackend('wasm');
  return started;
}

/** Whether the engine's files are there; it is part of every build, so they should be. */
export function probeWasm(): EngineCandidate {
  try {
    binaries();
    return { name: 'wasm', found: true, version: `tfjs-backend-wasm ${version_wasm}`, device: DEVICE };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { name: 'wasm', found: false, refused: error.message, mend: 'Run "npm ci && npm run build".' };
  }
}
