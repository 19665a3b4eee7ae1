/** Version of the requests below. The editor refuses to speak to a worker of another version and falls back to signals. */
export const WORKER_PROTOCOL = 1;

/**
 * worker.json in a run folder: how to reach the process that is writing the run. Written when the worker starts listening, removed when
 * it ends; one that is left over belongs to a process that was killed.
 */
export interface WorkerAddress {
  protocol: number;
  pid: number;
  /** Path of the local socket or named pipe that speaks JSON-RPC. */
  pipe: string;
}

/** Where in an optimizer step a worker is; steps, micro-batches and the attack's iterations count from 1. */
export interface StepProgress {
  step: number;
  micro: number;
  micros: number;
  /** Iterations of the attack that are done; absent before the first. */
  attack?: { done: number; of: number };
}

/** What a worker answers to `status`. */
export interface WorkerStatus {
  protocol: number;
  runId: string;
  /** Optimizer steps done, of `steps`. */
  step: number;
  steps: number;
  /** Absent while no step is made. */
  progress?: StepProgress;
}

/**
 * Every JSON-RPC request of the worker, by method name. All other facts about a run are in its folder, so the link may break at any time.
 * `stop` is answered at once; the worker drops the step in flight, writes a checkpoint and a `stopped` record, and exits.
 */
export interface WorkerRequests {
  status: { params: Record<string, never>; result: WorkerStatus };
  stop: { params: Record<string, never>; result: Record<string, never> };
}
export type WorkerMethod = keyof WorkerRequests;
