import type { CheckContext } from './checkContext';
import { checkData } from './checkData';
import { checkModel } from './checkModel';
import { checkOverlap } from './checkOverlap';
import { checkTemplate } from './checkTemplate';
import { checkTraining } from './checkTraining';
import type { PlacedProblem } from './explain';
import { type CheckFiles, type Sample, sampleRows } from './sampleRows';
import type { Resolved } from './schema';

/** What a schema cannot say: files, columns, and settings that do not go together. */
export function checkExperiment(experiment: Resolved, written: unknown, files: CheckFiles): PlacedProblem[] {
  const known = new Map<string, { sample?: Sample; reason?: string }>();
  const look = (path: string): { sample?: Sample; reason?: string } => {
    let found = known.get(path);
    if (!found) {
      try {
        found = { sample: files.isFile(path) ? sampleRows(path, files) : undefined };
      } catch (error) {
        found = { reason: error instanceof Error ? error.message : String(error) };
      }
      known.set(path, found);
    }
    return found;
  };
  const context: CheckContext = {
    experiment,
    written,
    files,
    sample: (path) => look(path).sample,
    broken: (path) => look(path).reason,
  };
  if (files.blind) return checkTraining(context);
  return [
    ...checkModel(context),
    ...checkTemplate(context),
    ...checkData(context),
    ...checkTraining(context),
    ...checkOverlap(context),
  ];
}
