import { meanEmbeddingNorm } from '../attack/forward';
import type { ProblemData } from '../base/problem';
import { Problem } from '../base/problem';
import { type AdversarialRow, adversarialRows } from '../data/adversarialRows';
import { countSteps, effectiveShare, type MicroBatch, planBatches } from '../data/batches';
import { type Encoded, encodeChat, encodeText } from '../data/encode';
import { type UtilityRow, utilityRows } from '../data/utilityRows';
import { duringUnit, evaluationUnits } from '../evaluation/evaluate';
import type { Unit } from '../evaluation/unit';
import type { Resolved } from '../experiment/schema';
import type { Model } from '../model/model';
import { openModel } from '../model/openModel';
import { mapWithinTime } from '../model/timeLimit';
import { type PlanSizes, planSizes } from './planSizes';

/** The two sequences of an adversarial row; they share the prompt. */
export interface AdversarialPair {
  harmful: Encoded;
  safe: Encoded;
}

/** Everything a run needs before its first step, made from the resolved experiment alone. `close` frees the model. */
export interface Setup {
  resolved: Resolved;
  model: Model;
  /** Mean L2 norm of the embedding table's rows. */
  embeddingNorm: number;
  adversarial: readonly AdversarialPair[];
  utility: readonly Encoded[];
  steps: number;
  /** plan[step * accumulation + i], step from 0. */
  plan: readonly MicroBatch[];
  /** To what batches are padded, where that helps. */
  sizes?: PlanSizes;
  units: readonly Unit[];
  during?: Unit;
  warnings: readonly ProblemData[];
  close(): void;
}

/** Reads model and data. Throws a Problem for whatever the user can mend. The engine must have been started. */
export async function setUp(resolved: Resolved): Promise<Setup> {
  const { data, training, seed } = resolved;
  // Files are read first: a missing column is found before a large model is loaded.
  const adversarialData = adversarialRows(data.adversarial, data.safeAnswer);
  const utilityData = data.utility ? utilityRows(data.utility) : [];
  const units = evaluationUnits(resolved.evaluation);
  const during = duringUnit(resolved.evaluation);
  const model = await openModel(resolved.model, { precision: resolved.precision, template: resolved.template });
  try {
    const warnings: ProblemData[] = [];
    const adversarial = encodeAll(adversarialData, data.adversarial.file, warnings, resolved, (row) =>
      encodePair(model, row, resolved),
    );
    const utility = encodeAll(utilityData, data.utility?.file ?? '', warnings, resolved, (row) =>
      encodeUtility(model, row, resolved),
    );
    const share = effectiveShare(training.adversarialShare, utility.length, resolved.method.utilityWeight);
    const steps = countSteps(training, share, adversarial.length, utility.length);
    const plan = planBatches({
      seed,
      steps,
      share,
      accumulation: training.accumulation,
      rows: training.rows,
      mix: training.mix,
      adversarialRows: adversarial.length,
      utilityRows: utility.length,
    });
    const embeddingNorm = await meanEmbeddingNorm(model.weights.embedding);
    return {
      resolved,
      model,
      embeddingNorm,
      adversarial,
      utility,
      steps,
      plan,
      sizes: planSizes(model.config, plan, adversarial, utility),
      units,
      during,
      warnings,
      close: () => model.close(),
    };
  } catch (error) {
    model.close();
    throw error;
  }
}

const optionsOf = ({ system, training }: Resolved) => ({ system, maxLength: training.maxLength });

function encodePair(model: Model, row: AdversarialRow, resolved: Resolved): AdversarialPair | undefined {
  const harmful = encodeChat(model, row.prompt, row.target, optionsOf(resolved));
  const safe = encodeChat(model, row.prompt, row.safe, optionsOf(resolved));
  return harmful && safe && { harmful, safe };
}

function encodeUtility(model: Model, row: UtilityRow, resolved: Resolved): Encoded | undefined {
  return 'text' in row
    ? encodeText(model, row.text, optionsOf(resolved))
    : encodeChat(model, row.prompt, row.answer, optionsOf(resolved));
}

/** Rows whose answer the cut at maxLength leaves nothing of are left out with a warning; when none is left, it is an error. */
function encodeAll<Row, Result>(
  rows: readonly Row[],
  file: string,
  warnings: ProblemData[],
  { training }: Resolved,
  encode: (row: Row) => Result | undefined,
): Result[] {
  const encoded = mapWithinTime(rows, encode).filter((row) => row !== undefined);
  const cut = rows.length - encoded.length;
  if (cut === 0) return encoded;
  const message = `${cut} of ${rows.length} rows of ${file} have no token of an answer within maxLength ${training.maxLength}`;
  const at = ['training', 'maxLength'];
  if (encoded.length === 0) throw new Problem('rowsTooLong', `${message}; raise training.maxLength.`, { at });
  warnings.push({ code: 'rowsTooLong', severity: 'warning', message: `${message} and are left out.`, at });
  return encoded;
}
