import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../src/tensor/engine';
import { setCompiling } from '../../src/tensor/jit';

/**
 * The engines a test file runs on: wasm always, compiled and op by op, native where SPARRING_NATIVE names a folder that has its package, so too,
 * webgpu where SPARRING_WEBGPU names one that has the npm package webgpu.
 */
const nativePath = process.env['SPARRING_NATIVE'];
/** TensorFlow's device, such as CPU:1: not the one where values come from JavaScript to, as on a GPU. */
export const DEVICE = process.env['SPARRING_DEVICE'];
const webgpuPath = process.env['SPARRING_WEBGPU'];
type Name = 'wasm' | 'wasm, op by op' | 'native' | 'native, op by op' | 'webgpu';
const names: readonly Name[] = [
  'wasm',
  'wasm, op by op',
  ...(nativePath ? (['native', 'native, op by op'] as const) : []),
  ...(webgpuPath ? (['webgpu'] as const) : []),
];
const started = new Map<string, string>();

async function use(name: Name): Promise<void> {
  const [engine, opByOp] = name.split(', ') as ['wasm' | 'native' | 'webgpu', string | undefined];
  setCompiling(!opByOp);
  const backend = started.get(engine);
  if (backend === undefined) {
    // Two threads: parts of a batch are computed side by side on them.
    await startEngine({ engine, threads: 2, nativePath, webgpuPath, device: DEVICE });
    started.set(engine, tf.getBackend());
  } else await tf.setBackend(backend);
}

/**
 * Registers `body`'s tests once per engine, each named with its engine. The engine is current when a test made with `check` runs. Values
 * are read with `await tensor.data()`, since webgpu has no other way.
 */
export function forEachEngine(body: (check: (name: string, fn: () => void | Promise<void>) => void) => void): void {
  for (const engine of names) {
    body((name, fn) => {
      test(`${name} (${engine})`, async () => {
        await use(engine);
        await fn();
      });
    });
  }
  if (!webgpuPath)
    test('the engine webgpu', { skip: 'SPARRING_WEBGPU names no folder that has the package' }, () => undefined);
}
