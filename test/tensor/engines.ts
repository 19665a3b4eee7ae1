import { test } from 'node:test';
import { startEngine } from '../../src/tensor/engine';

/** The engines a test file may run on, one per process: wasm always, native where SPARRING_NATIVE names a folder that has it. */
const names = ['wasm', ...(process.env['SPARRING_NATIVE'] ? ['native'] : [])] as ('wasm' | 'native')[];

/** Registers `body`'s tests once per engine, each named with its engine. The engine runs when a test made with `check` runs. */
export function forEachEngine(body: (check: (name: string, fn: () => void | Promise<void>) => void) => void): void {
  for (const engine of names) {
    body((name, fn) => {
      test(`${name} (${engine})`, async () => {
        await startEngine({ engine, threads: 1 });
        await fn();
      });
    });
  }
}
