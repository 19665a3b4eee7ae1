import { nextTurn } from '../attack/nextTurn';
import { Problem } from '../base/problem';
import type { Reference } from '../defense/reference';
import type { NewRecord, Output } from '../evaluation/output';
import { freeMerged, mergeAdapter } from '../model/lora';
import type { TensorRecord } from '../tensor/optimizer';
import type { TrainState } from './checkpoint';
import { addGradients } from './differentiate';
import { learningRate } from './learningRate';
import { type MicroResult, microGradients } from './microBatch';
import { readScalars } from './readScalars';
import type { Setup } from './setUp';
import { update } from './update';

export interface TrainLinks {
  /** Asked between two steps. */
  stopRequested(): boolean;
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

  while (state.step < steps && !links.stopRequested()) {
    const began = performance.now();
    const rate = learningRate(training, state.step, steps);

    // Gradients of all micro-batches, averaged.
    const results: MicroResult[] = [];
    let sum: TensorRecord | undefined;
    const first = state.step * training.accumulation;
    for (let index = first; index < first + training.accumulation; index++) {
      const micro = plan[index];
      if (!micro) throw new Error(`the plan has no micro-batch ${index}`);
      const result = await microGradients(setup, state.adapter, micro, index, links.references);
      sum = sum ? addGradients(sum, result.gradients) : result.gradients;
      results.push(result);
      await nextTurn();
      adversarialSeen += micro.adversarial.length;
    }
    const norm = update(state, sum ?? {}, rate, training);
    const { losses, attack, gradientNorm } = await readScalars(results, norm);
    state.step++;
    const { step } = state;
    if (![losses.total, gradientNorm].every(Number.isFinite))
      throw new Problem(
        'notFinite',
        `The loss is ${losses.total} and the gradient's norm ${gradientNorm} in step ${step}; lower training.learningRate or attack.epsilon.`,
        { at: ['training', 'learningRate'] },
      );

    const micros = plan.slice(first, first + training.accumulation);
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
        rows: {
          adversarial: micros.reduce((n, micro) => n + micro.adversarial.length, 0),
          utility: micros.reduce((n, micro) => n + micro.utility.length, 0),
        },
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
