import type { ProblemData } from '../base/problem';
import type { CheckpointRecord, Phase, Rate, Rates, StartedRecord, StepRecord } from './record';

export type RunStatus = 'waiting' | 'running' | 'stopped' | 'failed' | 'finished';

/** One judged output as panels list it; its texts are fetched by `text`. */
export interface SampleView {
  phase: Phase;
  step: number;
  metric: string;
  text: string;
  example: string;
  counted: boolean;
  loss?: number;
}

export interface AttackPoint {
  step: number;
  attack: string;
  epsilon: number;
  rate: Rate;
}

/** What every reader of a run sees, live or finished: the value of folding its records. */
export interface RunView {
  status: RunStatus;
  started?: StartedRecord;
  /** What is going on now, for people; absent once the run has ended. */
  activity?: { phase: Phase; metric: string; done: number; total: number } | { phase: 'training' };
  engine: string;
  device: string;
  /** Optimizer steps done, of `steps`. */
  step: number;
  steps: number;
  startedAt?: number;
  updatedAt?: number;
  /** Median seconds per step over the last steps. */
  secondsPerStep?: number;
  history: readonly StepRecord[];
  rates: { before: Rates; after: Rates };
  /** Attack success over training: before (step 0), during, after. */
  attackSuccess: readonly AttackPoint[];
  samples: readonly SampleView[];
  checkpoint?: CheckpointRecord;
  /** Hash of the trained adapter's file, once finished. */
  adapterSha256?: string;
  /** Threads of the session that runs or ran last. */
  threads?: number;
  problems: readonly ProblemData[];
  /** Working seconds, once finished. */
  seconds?: number;
}
