import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Precision } from '../src/model/packed';
import { startEngine } from '../src/tensor/engine';
import { jitCounts, setCompiling } from '../src/tensor/jit';
import { openTrainer, type Request } from './trainer';

// One engine as a program of the benchmark: the same requests on stdin, the same answers on stdout as the programs in bench/pytorch.
// node --import tsx bench/engine.ts FOLDER THREADS ENGINE PRECISION kept|checkpointed [NATIVE_PATH]; `eager` is native without compiled functions.

function peakReset(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Only Linux counts.
  }
}

/** Most resident memory since peakReset, MB. */
function peak(): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
    return found ? Number(found[1]) / 1000 : undefined;
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  const [folder = '', threads = '2', engine = 'wasm', precision, activations, nativePath] = process.argv.slice(2);
  const name = engine === 'eager' ? 'native' : engine;
  setCompiling(engine !== 'eager');
  const started = await startEngine({ engine: name as 'native' | 'wasm', threads: Number(threads), nativePath });
  const began = performance.now();
  const trainer = await openTrainer(folder, {
    precision: precision as Precision | undefined,
    gradientCheckpointing: activations === 'checkpointed',
  });
  console.log(JSON.stringify({ ready: true, version: started.device, load: (performance.now() - began) / 1000 }));
  const tasks = {
    cat: (request: Request) => trainer.step(request, 'cat'),
    capo: (request: Request) => trainer.step(request, 'capo'),
    iteration: trainer.iteration,
    candidates: trainer.candidates,
    generate: trainer.generate,
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request & { task: keyof typeof tasks };
    peakReset();
    const from = performance.now();
    const losses = await tasks[request.task](request);
    const seconds = (performance.now() - from) / 1000;
    const { recorded, refused } = jitCounts();
    console.log(JSON.stringify({ seconds, losses, peak: peak(), recorded, refused }));
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
