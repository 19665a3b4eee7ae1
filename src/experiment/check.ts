import { isFile, isFolder, namesIn, readStart } from '../base/files';
import type { PlacedProblem } from './explain';
import type { Resolved } from './schema';

/** What the checks ask of the file system. */
export interface CheckFiles {
  isFile(path: string): boolean;
  isFolder(path: string): boolean;
  namesIn(folder: string): string[];
  /** At most so many bytes from a file's beginning. */
  readStart(path: string, limit: number): Uint8Array;
}

export const diskFiles: CheckFiles = { isFile, isFolder, namesIn, readStart };

/** What a schema cannot say. `experiment` has absolute paths; `written` is the file's own value, which tells what was left to a default. */
export function checkExperiment(experiment: Resolved, written: unknown, files: CheckFiles): PlacedProblem[] {
  void [experiment, written, files];
  return [];
}
