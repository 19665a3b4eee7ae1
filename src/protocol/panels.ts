import { z } from 'zod';
import type { StepProgress } from './worker';

/** One setting of a run, as the monitor lists it. */
export interface ConfigRow {
  /** Path inside the experiment file, e.g. ['attack', 'epsilon']. */
  at: (string | number)[];
  value: string;
  /** Line of the experiment file (from 1) that says so; absent for a default, or when the file is gone. */
  line?: number;
}

/** What the host knows about a run beside its records. */
export interface RunContext {
  /** The run folder, absolute; the panel keeps it in its state, so that it can be restored. */
  folder: string;
  /** From the folder's path, for a run that has no record yet. */
  experiment: string;
  runId: string;
  /** Whether a worker is writing this run now. */
  live: boolean;
  /** Whether this window may start and stop workers: a trusted workspace on a file system. */
  trusted: boolean;
  /** Name of the experiment file, where it still exists. */
  file?: string;
  config: ConfigRow[];
}

/** A prompt and an output: hostile text, sent only after the reader asked for it. */
export interface SampleText {
  id: string;
  prompt: string;
  output: string;
  target?: string;
}

/**
 * Host -> monitor. `view` is whole and answers `ready`; `records` are what came since. Generic, because this layer knows nothing of records:
 * View is a RunView, Entry a RunRecord.
 */
export type ToMonitor<View, Entry> =
  | { t: 'view'; view: View; context: RunContext }
  | { t: 'records'; records: Entry[] }
  | { t: 'context'; context: RunContext }
  | { t: 'progress'; progress: StepProgress | undefined }
  | { t: 'texts'; texts: SampleText[] }
  | { t: 'notFound'; folder: string };

const fromMonitor = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('ready') }),
  // The reader's consent: the texts of these ids may be sent.
  z.strictObject({ t: z.literal('reveal'), ids: z.array(z.string().max(200)).max(5000) }),
  z.strictObject({ t: z.literal('stop') }),
  z.strictObject({ t: z.literal('resume') }),
  z.strictObject({ t: z.literal('report') }),
  z.strictObject({ t: z.literal('log') }),
  z.strictObject({ t: z.literal('open'), at: z.array(z.union([z.string(), z.int()])).max(20) }),
]);
/** Monitor -> host. Parsed, since a webview renders hostile text; see `parseFromMonitor`. */
export type FromMonitor = z.output<typeof fromMonitor>;

/** The message, or undefined when it is none of ours. */
export function parseFromMonitor(message: unknown): FromMonitor | undefined {
  const parsed = fromMonitor.safeParse(message);
  return parsed.success ? parsed.data : undefined;
}
