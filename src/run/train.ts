import { Problem } from '../base/problem';
import type { MicroBatch } from '../data/batches';
import type { Reference } from '../defense/reference';
import type { NewRecord, Output } from '../evaluation/output';
import { freeMerged, mergeAdapter } from '../model/lora';
import type { StepProgress } from '../protocol/worker';
import type { TensorRecord } from '../tensor/optimizer';
import { accumulate } from './accumulate';
import type { TrainState } from './checkpoint';
import { learningRate } from './learningRate';
import { type MicroResult, microGradients } from './microBatch';
import { readScalars } from './readScalars';
import type { Setup } from './setUp';
import { update } from './update';

export interface TrainLinks {
  /** Aborted, it stops the training on the way. */
  signal: AbortSignal;
  /** Where in a step the training is. */
  onProgress?(progress: StepProgress): void;
  /** Writes a checkpoint of the state and says where. */
  save(state: TrainState): Promise<{ folder: string; adapterSha256: string }>;
  references?: readonly Reference[];
}

/**
 * The training, step after step from where `state` stands, which is moved on in place. Everything it does follows from the setup, the
 * seed and the state, so that a run resumed from a checkpoint goes on bit for bit. Ends early, after a checkpoint, on request.
 */
export async function* train(setup: Setup, state: TrainState, links: TrainLinks): AsyncGenerator<Output> {
  const { resolved, steps, plan } = setup;
  const { training, checkpoints, evaluation } = resolved;
  let saved = state.step;
  let adversarialSeen = countAdversarial(setup, state.step);

  while (state.step < steps && !links.signal.aborted) {
    const began = performance.now();
    const rate = learningRate(training, state.step, steps);

    const micros = plan.slice(state.step * training.accumulation, (state.step + 1) * training.accumulation);
    const made = await accumulated(setup, state, micros, links);
    if (!made) break;
    const { sum, results } = made;
    const norm = update(state, sum, rate, training);
    const { losses, attack, gradientNorm } = await readScalars(results, norm);
    state.step++;
    const { step } = state;
    if (![losses.total, gradientNorm].every(Number.isFinite))
      throw new Problem(
        'notFinite',
        `The loss is ${losses.total} and the gradient's norm ${gradientNorm} in step ${step}; lower training.learningRate or attack.epsilon.`,
        { at: ['training', 'learningRate'] },
      );

    const rows = {
      adversarial: micros.reduce((n, micro) => n + micro.adversarial.length, 0),
      utility: micros.reduce((n, micro) => n + micro.utility.length, 0),
    };
    adversarialSeen += rows.adversarial;
    const { iterations, epsilon } = resolved.attack;
    yield {
      record: {
        kind: 'step',
        step,
        epoch: adversarialSeen / setup.adversarial.length,
        learningRate: rate,
        gradientNorm,
        losses,
        ...(attack && { attack: { ...attack, iterations, epsilon } }),
        rows,
        tokens: results.reduce((n, result) => n + result.tokens, 0),
        seconds: (performance.now() - began) / 1000,
        memory: process.memoryUsage().rss,
      },
    };

    // Measured before the checkpoint: what stands in the records up to a checkpoint's step is then whole.
    if (setup.during && step % evaluation.every === 0 && step < steps) yield* evaluateDuring(setup, state);
    if (step % checkpoints.every === 0 || step === steps) {
      yield { record: await checkpoint(state, links) };
      saved = step;
    }
  }
  if (state.step > saved) yield { record: await checkpoint(state, links) };
}

/**
 * The gradients of a step's micro-batches, added up, and what else came of them. Nothing where a stop was asked for on the way: a step may take
 * minutes, and whoever resumes makes it again.
 */
async function accumulated(
  setup: Setup,
  { adapter, step }: TrainState,
  micros: readonly MicroBatch[],
  { references, signal, onProgress }: TrainLinks,
): Promise<{ sum: TensorRecord; results: MicroResult[] } | undefined> {
  const { training, attack } = setup.resolved;
  const first = step * training.accumulation;
  const make = async (i: number) => {
    signal.throwIfAborted();
    const place = { step: step + 1, micro: i + 1, micros: micros.length };
    onProgress?.(place);
    return microGradients(setup, adapter, micros[i] as MicroBatch, first + i, references, {
      signal,
      onIteration: (done) => onProgress?.({ ...place, attack: { done, of: attack.iterations } }),
    });
  };
  try {
    return await accumulate(micros.length, make);
  } catch (error) {
    if (error === signal.reason) return undefined;
    throw error;
  }
}

const checkpoint = async (state: TrainState, links: TrainLinks): Promise<NewRecord> => ({
  kind: 'checkpoint',
  step: state.step,
  ...(await links.save(state)),
});

function countAdversarial({ plan, resolved }: Setup, step: number): number {
  return plan.slice(0, step * resolved.training.accumulation).reduce((n, micro) => n + micro.adversarial.length, 0);
}

async function* evaluateDuring(setup: Setup, { adapter, step }: TrainState): AsyncGenerator<Output> {
  const { model, resolved, embeddingNorm, during } = setup;
  const weights = mergeAdapter(model.config, model.weights, adapter);
  try {
    const { system, seed, evaluation: options } = resolved;
    if (during) yield* during.run({ model, weights, embeddingNorm, options, system, seed, phase: 'during', step });
  } finally {
    freeMerged(weights, model.weights);
  }
}
