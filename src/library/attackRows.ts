import type { z } from 'zod';
import { attacks } from '../attack/attacks';
import { meanEmbeddingNorm } from '../attack/forward';
import { logProbsAt } from '../attack/logProbsAt';
import { runAttack } from '../attack/runAttack';
import { Random } from '../base/random';
import { packRows } from '../data/batch';
import { attackOptions } from '../experiment/attackOptions';
import { type Adapter, freeMerged, mergeAdapter } from '../model/lora';
import type { Model } from '../model/model';
import { checkOptions } from './checkOptions';
import { checkRows, type Row } from './checkRows';
import { summarize, type TargetLosses } from './forward';

export interface AttackRequest {
  adapter?: Adapter;
  /** Those of an experiment file's `attack`; what is left out has the paper's default. `perturb: user` is not known here. */
  options?: Omit<z.input<typeof attackOptions>, 'perturb'>;
  /** Of a random start; default 0. */
  seed?: number;
  /** Aborted, it ends the attack on the way, and its reason is thrown. */
  signal?: AbortSignal;
}

export interface AttackedRows extends TargetLosses {
  /** Per row flat [T, D], in unscaled rows of the table; 0 on targets. */
  deltas: Float32Array[];
  /** Token-mean loss at delta's start. */
  lossBefore: number;
}

/**
 * The embedding attack of arXiv 2405.15589 on every token that is no target, all rows as one sub-batch; losses are those at the delta it
 * ends with.
 * @throws Problem `row` or `options`
 */
export async function attackRows(
  model: Model,
  rows: readonly Row[],
  request: AttackRequest = {},
): Promise<AttackedRows> {
  const options = checkOptions(attackOptions, request.options ?? {}, 'attack');
  const batch = packRows(checkRows(rows, model.config));
  const weights = request.adapter ? mergeAdapter(model.config, model.weights, request.adapter) : model.weights;
  try {
    const embeddingNorm = await meanEmbeddingNorm(model.weights.embedding);
    const target = { model, weights, embeddingNorm };
    const random = new Random(request.seed ?? 0, 'attack');
    const found = await runAttack(attacks.embedding, target, batch, options, random, { signal: request.signal });
    try {
      const [before] = await found.lossBefore.data();
      const delta = (await found.delta.data()) as Float32Array;
      const after = await logProbsAt(target, batch, found.delta);
      const logProbs = (await after.data()) as Float32Array;
      after.dispose();
      const size = model.config.hiddenSize;
      const width = batch.length * size;
      return {
        ...summarize(batch, logProbs),
        deltas: rows.map(({ ids }, b) => delta.slice(b * width, b * width + ids.length * size)),
        lossBefore: before as number,
      };
    } finally {
      found.close();
    }
  } finally {
    freeMerged(weights, model.weights);
    batch.close();
  }
}
