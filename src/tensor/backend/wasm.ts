import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../base/problem';
import { mendKernels } from './wasmKernels';

const BINARY = 'tfjs-backend-wasm-simd.wasm';

/** Where the backend's binaries lie: beside the bundle (dist/wasm), or in the package when run from source. Ends with a slash. */
function wasmFolder(): string {
  const bundled = join(__dirname, 'wasm');
  if (existsSync(join(bundled, BINARY))) return `${bundled}/`;
  let entry: string;
  try {
    entry = createRequire(__filename).resolve('@tensorflow/tfjs-backend-wasm');
  } catch {
    entry = bundled;
  }
  if (existsSync(join(dirname(entry), BINARY))) return `${dirname(entry)}/`;
  throw new Problem(
    'engine-files',
    `The WebAssembly engine's file ${BINARY} is not in ${bundled}; install the extension or run "npm ci && npm run build" again.`,
  );
}

let mended = false;

/** Starts the wasm backend and makes it current. Returns how many threads it uses. */
export async function startWasm(): Promise<{ device: string; threads: number }> {
  if (!mended) {
    setWasmPaths(wasmFolder());
    mendKernels();
    mended = true;
  }
  if (!(await tf.setBackend('wasm'))) {
    throw new Problem('engine-start', 'The WebAssembly engine did not start; this Node may lack WebAssembly SIMD.');
  }
  await tf.ready();
  return { device: 'CPU (WebAssembly SIMD)', threads: 1 };
}
