import type { CheckFiles, Sample } from './sampleRows';
import type { Resolved } from './schema';

/** What the checks know: the experiment with absolute paths, the file's own value, which tells what was left to a default, and the data. */
export interface CheckContext {
  experiment: Resolved;
  written: unknown;
  files: CheckFiles;
  /** The rows of a data file; undefined where there are none to see. Each file is read once. */
  sample(path: string): Sample | undefined;
  /** Why a data file cannot be read; asked for before its rows. */
  broken(path: string): string | undefined;
}
