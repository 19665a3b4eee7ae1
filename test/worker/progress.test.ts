import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunRecord } from '../../src/records/record';
import { showProgress } from '../../src/worker/progress';

const base = { v: 1, time: Date.now() + 1e6 };
const started: RunRecord = {
  ...base,
  kind: 'started',
  runId: 'one',
  experiment: 'tiny',
  method: 'cat',
  model: 'tiny',
  engine: 'wasm',
  device: 'CPU',
  threads: 2,
  seed: 1,
  steps: 9,
  version: '0.0.0',
  hashes: { model: '', data: '', config: '' },
};
const stepOf = (step: number, seconds: number): RunRecord => ({
  ...base,
  kind: 'step',
  step,
  epoch: 0,
  learningRate: 1e-3,
  gradientNorm: 1,
  losses: { total: 1.5 },
  rows: { adversarial: 1, utility: 1 },
  tokens: 9,
  seconds,
  memory: 1,
});

/** What the terminal shows at last. */
function shown(work: (progress: ReturnType<typeof showProgress>) => void): string {
  const { write } = process.stdout;
  const { log } = console;
  let bar = '';
  process.stdout.write = (text: string | Uint8Array) => {
    bar = String(text);
    return true;
  };
  console.log = () => undefined;
  try {
    work(showProgress({ plain: false }));
  } finally {
    process.stdout.write = write;
    console.log = log;
  }
  return bar;
}

test('the bar says where in a step the run is, before the first and where steps take long', () => {
  const progress = { step: 1, micro: 2, micros: 4, attack: { done: 3, of: 10 } };
  const first = shown((it) => {
    it.onRecord(started);
    it.onProgress(progress);
  });
  assert.match(first, /step 0\/9 {2}micro-batch 2\/4, attack 3\/10$/);
  const within = (seconds: number, done: number) =>
    shown((it) => {
      it.onRecord(started);
      it.onRecord(stepOf(1, seconds));
      it.onProgress({ ...progress, step: 2, micros: 1, micro: 1, attack: { done, of: 10 } });
      assert.deepEqual(it.status().progress?.attack, { done, of: 10 });
    });
  assert.match(within(60, 3), /step 1\/9 {2}attack 3\/10 {2}loss 1\.500/);
  assert.match(within(60, 10), /step 1\/9 {2}gradients {2}loss/);
  assert.match(within(0.1, 3), /step 1\/9 {2}loss/);
  const after = shown((it) => {
    it.onRecord(started);
    it.onProgress(progress);
    it.onRecord(stepOf(1, 60));
    assert.equal(it.status().progress, undefined);
  });
  assert.match(after, /step 1\/9 {2}loss/);
});
