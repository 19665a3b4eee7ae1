// npm run bench:memory -- [--engine native] [--native-path FOLDER] [--steps 1000] [--out FILE]
// Training steps of the Keeper's shape with ten attack iterations each, rows of changing lengths; resident memory as a curve. Ends with 1 where
// it grows by 1 % or more after the first hundred steps.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../src/tensor/engine';
import { makeModel } from './makeModel';
import { makeRows } from './makeRows';
import { shapes } from './shapes';
import { openTrainer } from './trainer';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'native' },
    'native-path': { type: 'string' },
    steps: { type: 'string', default: '1000' },
    out: { type: 'string' },
  },
});

/** What JavaScript will collect some day is no growth. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function main(): Promise<void> {
  const engine = flags.engine as 'native' | 'wasm';
  await startEngine({ engine, threads: 2, nativePath: flags['native-path'] });
  const folder = mkdtempSync(join(tmpdir(), 'sparring-memory-'));
  const steps = Number(flags.steps);
  const curve: { step: number; rss: number; tensors: number }[] = [];
  try {
    const shape = shapes.keeper;
    await makeModel(folder, shape);
    const trainer = await openTrainer(folder);
    // Four batches of other lengths, in turn.
    const batches = [0, 1, 2, 3].map((more) => {
      const { adversarial, utility } = shape.rows;
      const rows = { ...shape.rows, adversarial: { ...adversarial, prompt: adversarial.prompt + more } };
      return makeRows({ ...shape, rows: { ...rows, utility: { ...utility, answer: utility.answer + more } } }, more);
    });
    const request = {
      lora: { rank: 8, alpha: 16, dropout: 0.1 },
      attack: { iterations: 10, stepSize: 1e-3, epsilon: 0.1 },
    };
    for (let step = 1; step <= steps; step++) {
      await trainer.step({ ...request, rows: batches[step % batches.length] as (typeof batches)[number] }, 'cat');
      if (step % 50 !== 0) continue;
      collect();
      curve.push({ step, rss: process.memoryUsage().rss, tensors: tf.memory().numTensors });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const lines = curve.map(
    ({ step, rss, tensors }) => `${step} steps ${10 * step} iterations ${(rss / 1e6).toFixed(1)} MB ${tensors} tensors`,
  );
  const at = (step: number) => curve.find((point) => point.step === step)?.rss ?? Number.NaN;
  const growth = at(steps) / at(100) - 1;
  lines.push(`from step 100 to ${steps}: ${(100 * growth).toFixed(2)} %`);
  console.log(lines.join('\n'));
  if (flags.out) writeFileSync(flags.out, `${lines.join('\n')}\n`);
  process.exitCode = growth < 0.01 ? 0 : 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
