import type { ProblemData } from '../base/problem';

/** Version of the record format. Bump with every change of meaning and upgrade old records in `parseRecord`. */
export const RECORD_VERSION = 1;

export type Phase = 'before' | 'during' | 'after';

/** A rate with its 95 % Wilson interval, n = number of examples judged. */
export interface Rate {
  value: number;
  n: number;
  low: number;
  high: number;
}

export type RateMetric = 'leak' | 'refusal' | 'refusalHeldOut' | 'refusalHarmless' | 'utility' | 'stillKnows';
export const RATE_METRICS = [
  'leak',
  'refusal',
  'refusalHeldOut',
  'refusalHarmless',
  'utility',
  'stillKnows',
] as const satisfies readonly RateMetric[];

/** Losses of one optimizer step, token means in nats; a term without rows in this step is absent. `raw` values are before the cutoffs. */
export interface StepLosses {
  total: number;
  toward?: number;
  away?: number;
  utility?: number;
  rawToward?: number;
  rawAway?: number;
  ipo?: number;
  /** CAPO: mean of h = (lp_safe - lp_harm) - (ref_safe - ref_harm). */
  margin?: number;
}

interface Base {
  v: number;
  /** Milliseconds since the epoch. */
  time: number;
}

export interface StartedRecord extends Base {
  kind: 'started';
  runId: string;
  experiment: string;
  /** Path of the experiment file, relative to the run folder; absent when there is none. */
  file?: string;
  method: string;
  model: string;
  engine: string;
  device: string;
  threads: number;
  seed: number;
  steps: number;
  version: string;
  hashes: { model: string; data: string; config: string };
}
export interface ResumedRecord extends Base {
  kind: 'resumed';
  /** Number of optimizer steps already done. */
  step: number;
  engine: string;
  device: string;
  threads: number;
}
export interface StepRecord extends Base {
  kind: 'step';
  /** 1 for the first optimizer step. */
  step: number;
  epoch: number;
  learningRate: number;
  gradientNorm: number;
  losses: StepLosses;
  /** Attack loss (token-mean cross-entropy of the targets) at delta's start and at the delta that is used; absent without attack. */
  attack?: { before: number; after: number; iterations: number; epsilon: number };
  rows: { adversarial: number; utility: number };
  tokens: number;
  seconds: number;
  /** Resident memory of the process, bytes. */
  memory: number;
}
/** An evaluation has begun or moved on. */
export interface ProgressRecord extends Base {
  kind: 'progress';
  phase: Phase;
  step: number;
  /** What is measured, e.g. `utility` or `embedding@0.3`. */
  metric: string;
  done: number;
  total: number;
}
export interface RateRecord extends Base {
  kind: 'rate';
  phase: Phase;
  step: number;
  metric: RateMetric;
  rate: Rate;
  seconds: number;
}
export interface AttackRecord extends Base {
  kind: 'attack';
  phase: Phase;
  step: number;
  attack: string;
  attackVersion: number;
  epsilon: number;
  iterations: number;
  rate: Rate;
  lossBefore: number;
  lossAfter: number;
  seconds: number;
}
/** One judged output. Its texts are in texts.jsonl under `text`, and are fetched only when the reader asks. */
export interface SampleRecord extends Base {
  kind: 'sample';
  phase: Phase;
  step: number;
  /** A RateMetric, or `attack@epsilon`, e.g. `embedding@0.3`. */
  metric: string;
  text: string;
  /** The same example has the same key in every phase, so before and after can be paired. */
  example: string;
  /** What the rate counts: the attack succeeded, the output refused, the answer was right ... */
  counted: boolean;
  loss?: number;
}
export interface CheckpointRecord extends Base {
  kind: 'checkpoint';
  step: number;
  /** Relative to the run folder. */
  folder: string;
  adapterSha256: string;
}
export interface ProblemRecord extends Base {
  kind: 'problem';
  problem: ProblemData;
}
/** The run stopped on request; it resumes at `step`. */
export interface StoppedRecord extends Base {
  kind: 'stopped';
  step: number;
}
export interface FailedRecord extends Base {
  kind: 'failed';
  problem: ProblemData;
}
export interface FinishedRecord extends Base {
  kind: 'finished';
  /** Working time over all sessions of this run. */
  seconds: number;
  adapterSha256?: string;
  /** Where the engine compiles: functions recorded in the last session, calls of them, and why some were not. */
  compiled?: { functions: number; calls: number; refused: readonly string[] };
}

/** One line of records.jsonl: numbers and ids only. */
export type RunRecord =
  | StartedRecord
  | ResumedRecord
  | StepRecord
  | ProgressRecord
  | RateRecord
  | AttackRecord
  | SampleRecord
  | CheckpointRecord
  | ProblemRecord
  | StoppedRecord
  | FailedRecord
  | FinishedRecord;

/** One line of texts.jsonl: hostile text. `output` is what the model said; a panel shows it only after the reader's consent. */
export interface TextRecord {
  id: string;
  prompt: string;
  output: string;
  target?: string;
}

/** The rates of one phase. `attackSuccess` is keyed by attack, then by epsilon. */
export interface Rates extends Partial<{ [K in RateMetric]: Rate }> {
  attackSuccess: { [attack: string]: { [epsilon: string]: Rate } };
}

/** summary.json of a finished run. */
export interface Summary {
  v: number;
  runId: string;
  experiment: string;
  method: string;
  model: string;
  engine: string;
  device: string;
  threads: number;
  seed: number;
  steps: number;
  seconds: number;
  hashes: { model: string; data: string; config: string; adapter?: string };
  before: Rates;
  after: Rates;
}

type FieldType = 'string' | 'number' | 'boolean' | 'object';

/** What each kind cannot do without; a line that lacks one of these is no record. Optional fields are not listed. */
const REQUIRED: { readonly [K in RunRecord['kind']]: { readonly [field: string]: FieldType } } = {
  started: {
    runId: 'string',
    experiment: 'string',
    method: 'string',
    model: 'string',
    steps: 'number',
    hashes: 'object',
  },
  resumed: { step: 'number', engine: 'string' },
  step: { step: 'number', losses: 'object', rows: 'object', seconds: 'number' },
  progress: { phase: 'string', step: 'number', metric: 'string', done: 'number', total: 'number' },
  rate: { phase: 'string', step: 'number', metric: 'string', rate: 'object' },
  attack: { phase: 'string', step: 'number', attack: 'string', epsilon: 'number', rate: 'object' },
  sample: { phase: 'string', step: 'number', metric: 'string', text: 'string', example: 'string', counted: 'boolean' },
  checkpoint: { step: 'number', folder: 'string', adapterSha256: 'string' },
  problem: { problem: 'object' },
  stopped: { step: 'number' },
  failed: { problem: 'object' },
  finished: { seconds: 'number' },
};

/** Upgrades of old records: the function at version v turns a record of version v into one of v + 1. None are needed yet. */
const UPGRADES: { readonly [version: number]: (record: Record<string, unknown>) => Record<string, unknown> } = {};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * One line of records.jsonl, brought to today's version. Undefined for what is no record of ours: a torn line, a kind that a later version
 * added, a line without the fields its kind needs. Readers skip those.
 */
export function parseRecord(line: string): RunRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // torn: its writer was killed within the write
    return undefined;
  }
  if (!isObject(value) || typeof value.v !== 'number' || typeof value.time !== 'number') return undefined;
  for (let version = value.v; version < RECORD_VERSION; version++) {
    const upgrade = UPGRADES[version];
    if (!upgrade) return undefined;
    value = upgrade(value as Record<string, unknown>);
  }
  const record = value as Record<string, unknown>;
  const kind = record.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(REQUIRED, kind)) return undefined;
  for (const [field, type] of Object.entries(REQUIRED[kind as RunRecord['kind']])) {
    const found = record[field];
    if (type === 'object' ? !isObject(found) : typeof found !== type) return undefined;
  }
  return record as unknown as RunRecord;
}
