import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../src/tensor/engine';
import { setCompiling } from '../../src/tensor/jit';

/** The engines a test file runs on: wasm always, native where SPARRING_NATIVE names a folder that has its package, compiled and op by op. */
const nativePath = process.env['SPARRING_NATIVE'];
type Name = 'wasm' | 'native' | 'native, op by op';
const names: Name[] = ['wasm', ...(nativePath ? (['native', 'native, op by op'] as const) : [])];
const started = new Map<string, string>();

async function use(name: Name): Promise<void> {
  const engine = name === 'wasm' ? 'wasm' : 'native';
  setCompiling(name !== 'native, op by op');
  const backend = started.get(engine);
  if (backend === undefined) {
    await startEngine({ engine, threads: 1, nativePath });
    started.set(engine, tf.getBackend());
  } else await tf.setBackend(backend);
}

/** Registers `body`'s tests once per engine, each named with its engine. The engine is current when a test made with `check` runs. */
export function forEachEngine(body: (check: (name: string, fn: () => void | Promise<void>) => void) => void): void {
  for (const engine of names) {
    body((name, fn) => {
      test(`${name} (${engine})`, async () => {
        await use(engine);
        await fn();
      });
    });
  }
}
