import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { getThreadsCount, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../base/problem';
import type { EngineCandidate } from './candidate';
import { mendKernels } from './wasmKernels';
import { withThreads } from './wasmThreads';

const DEVICE = 'CPU (WebAssembly SIMD)';
const BINARY = 'tfjs-backend-wasm-threaded-simd.wasm';
const SCRIPT = 'tfjs-backend-wasm-threaded-simd.js';
/** The backend prepares eight workers; the main thread computes too. */
const MAX_THREADS = 9;

/** The backend's files. The script is the text that threads run. */
interface WasmFiles {
  /** Folder of the binaries, with a slash at its end. */
  binaries: string;
  script: string;
}

/** Beside the bundle (dist/wasm, where build.mjs copies them), or in the package when run from source. */
function wasmFiles(): WasmFiles {
  const bundled = join(__dirname, 'wasm');
  const candidates = [{ binaries: `${bundled}/`, script: join(bundled, SCRIPT) }];
  try {
    const folder = dirname(dirname(createRequire(__filename).resolve('@tensorflow/tfjs-backend-wasm')));
    candidates.push({ binaries: `${join(folder, 'dist')}/`, script: join(folder, 'wasm-out', SCRIPT) });
  } catch {
    // not installed as a package: the bundle's own files must be there
  }
  const files = candidates.find(({ binaries, script }) => existsSync(join(binaries, BINARY)) && existsSync(script));
  if (files) return files;
  throw new Problem(
    'engine-files',
    `The WebAssembly engine's files ${BINARY} and ${SCRIPT} are not in ${bundled}; build or install Sparring again.`,
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
    throw new Problem('engine-start', 'The WebAssembly engine did not start; this Node may lack WebAssembly SIMD.');
}

/**
 * Starts the wasm backend on `threads` threads (default: one per core) and makes it current. The first start in a process decides the
 * number of threads. Values do not depend on that number.
 */
export async function startWasm(threads?: number): Promise<{ device: string; threads: number }> {
  if (started === undefined) {
    const wanted = Math.max(1, Math.min(threads ?? availableParallelism(), MAX_THREADS));
    const files = wasmFiles();
    setWasmPaths(files.binaries);
    mendKernels();
    if (wanted === 1) await start();
    else await withThreads(wanted, files.script, start);
    started = { device: DEVICE, threads: wanted === 1 ? 1 : getThreadsCount() };
  } else await tf.setBackend('wasm');
  return started;
}

/** Whether the engine's files are there; it is part of every build, so they should be. */
export function probeWasm(): EngineCandidate {
  try {
    wasmFiles();
    return { name: 'wasm', found: true, version: `tfjs-backend-wasm ${version_wasm}`, device: DEVICE };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { name: 'wasm', found: false, refused: error.message, mend: 'Run "npm ci && npm run build".' };
  }
}
