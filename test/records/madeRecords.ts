import { type Phase, RECORD_VERSION, type RunRecord } from '../../src/records/record';

// Records of made-up runs for the tests beside this file.

let time = 1_700_000_000_000;
const base = () => ({ v: RECORD_VERSION, time: time++ });
const hashes = { model: 'm'.repeat(64), data: 'd'.repeat(64), config: 'c'.repeat(64) };

export const started = (steps = 10): RunRecord => ({
  ...base(),
  kind: 'started',
  runId: '20261124-183000-seed7',
  experiment: 'first',
  method: 'cat',
  model: 'keeper',
  engine: 'wasm',
  device: 'CPU',
  threads: 2,
  seed: 7,
  steps,
  version: '0.1.0',
  hashes,
});
export const resumed = (step: number): RunRecord => ({
  ...base(),
  kind: 'resumed',
  step,
  engine: 'native',
  device: 'GPU',
  threads: 4,
});
export const step = (n: number, total = 1 / n): RunRecord => ({
  ...base(),
  kind: 'step',
  step: n,
  epoch: 0,
  learningRate: 1e-3,
  gradientNorm: 1,
  losses: { total, toward: total / 2, away: -total },
  attack: { before: 1, after: 0.5, iterations: 10, epsilon: 0.3 },
  rows: { adversarial: 4, utility: 4 },
  tokens: 100,
  seconds: n % 2 === 0 ? 2 : 1,
  memory: 1e8,
});
export const rate = (phase: Phase, at: number, value: number, n = 20): RunRecord => ({
  ...base(),
  kind: 'rate',
  phase,
  step: at,
  metric: 'leak',
  rate: { value, n, low: Math.max(0, value - 0.1), high: Math.min(1, value + 0.1) },
  seconds: 1,
});
export const attack = (phase: Phase, at: number, value: number, epsilon = 0.3): RunRecord => ({
  ...base(),
  kind: 'attack',
  phase,
  step: at,
  attack: 'embedding',
  attackVersion: 1,
  epsilon,
  iterations: 10,
  rate: { value, n: 10, low: Math.max(0, value - 0.2), high: Math.min(1, value + 0.2) },
  lossBefore: 3,
  lossAfter: 1,
  seconds: 1,
});
export const sample = (phase: Phase, at: number, example: number, counted: boolean, metric = 'leak'): RunRecord => ({
  ...base(),
  kind: 'sample',
  phase,
  step: at,
  metric,
  text: `${phase}-${at}-${metric}-${example}`,
  example: String(example),
  counted,
});
export const checkpoint = (at: number): RunRecord => ({
  ...base(),
  kind: 'checkpoint',
  step: at,
  folder: `checkpoints/step-${at}`,
  adapterSha256: 'a'.repeat(64),
});
export const problem = (
  kind: 'problem' | 'failed',
  message: string,
  severity: 'error' | 'warning' = 'error',
): RunRecord => ({
  ...base(),
  kind,
  problem: { code: 'x', message, severity },
});
export const stopped = (at: number): RunRecord => ({ ...base(), kind: 'stopped', step: at });
export const finished = (): RunRecord => ({ ...base(), kind: 'finished', seconds: 93, adapterSha256: 'f'.repeat(64) });

/** A whole small run: 10 examples, success falls from 8 to 1. */
export const wholeRun = (): RunRecord[] => [
  started(),
  ...Array.from({ length: 10 }, (_, i) => sample('before', 0, i, i < 8, 'embedding@0.3')),
  attack('before', 0, 0.8),
  rate('before', 0, 0.1),
  ...Array.from({ length: 10 }, (_, i) => step(i + 1)),
  attack('during', 5, 0.4),
  checkpoint(10),
  ...Array.from({ length: 10 }, (_, i) => sample('after', 10, i, i < 1, 'embedding@0.3')),
  attack('after', 10, 0.1),
  rate('after', 10, 0),
  finished(),
];
