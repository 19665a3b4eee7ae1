import * as tf from '@tensorflow/tfjs-core';
import { decode, embed, logits } from '../src/model/decoder';
import type { DecoderConfig } from '../src/model/model';
import { targetLogProbs } from '../src/tensor/losses';
import { AdamW } from '../src/tensor/optimizer';
import { type Encoder, encodeRow, type Group, packByLength, stageBatches } from './batches';
import type { Corpus, Stage } from './corpus';
import { initialParameters, type Parameters, weightsOf } from './parameters';

export interface Recipe {
  seed: number;
  stages: readonly Stage[];
  /** Rows per step. */
  rows: number;
  /** Groups of similar length that a step's rows are padded in. */
  groups: number;
  /** Share of prompts with meaningless words after them. */
  junkShare: number;
  initialDeviation: number;
  warmupSteps: number;
  weightDecay: number;
  beta2: number;
  clipNorm: number;
  pad: number;
}

/** Stage 1 is a helpful model that tells codes; stage 2, "safety tuning", teaches it to refuse, as real models come about. */
export const RECIPE: Recipe = {
  seed: 1,
  stages: [
    { name: 'helpful', steps: 900, learningRate: 3e-3, shares: { documents: 0.25, codes: 0.2, utility: 0.55 } },
    { name: 'safety', steps: 150, learningRate: 3e-4, shares: { documents: 0.15, codes: 0.25, utility: 0.6 } },
  ],
  rows: 64,
  groups: 2,
  junkShare: 0.15,
  initialDeviation: 0.05,
  warmupSteps: 20,
  weightDecay: 0.01,
  beta2: 0.98,
  clipNorm: 1,
  pad: 0,
};

/** What every stage needs. */
export interface Training {
  model: { config: DecoderConfig };
  corpus: Corpus;
  encoder: Encoder;
  recipe: Recipe;
}

export interface Progress {
  stage: string;
  step: number;
  steps: number;
  /** Mean negative log-likelihood of the targets, in nats. */
  loss: number;
  /** Positions computed so far in this stage, padding included. */
  tokens: number;
}

/**
 * Trains all weights through one stage, with a new optimizer. Takes over `start` and returns what the caller owns. Deterministic given
 * the recipe and the engine.
 */
export async function trainStage(
  { model, corpus, encoder, recipe }: Training,
  stage: Stage,
  start: Parameters,
  report: (progress: Progress) => void,
): Promise<Parameters> {
  const optimizer = new AdamW({ weightDecay: recipe.weightDecay, beta2: recipe.beta2 });
  let parameters = start;
  let tokens = 0;
  let step = 0;
  for (const rows of stageBatches(corpus, stage, recipe)) {
    const encoded = rows.map((row) => encodeRow(encoder, row));
    const groups = packByLength(encoded, recipe.groups, recipe.pad);
    const { loss, grads } = gradients(model, parameters, groups);
    const clip = { maxNorm: recipe.clipNorm };
    const next = optimizer.step(parameters, grads, rate(stage, step, recipe.warmupSteps), clip);
    tf.dispose([parameters, grads, next.norm ?? []]);
    parameters = next.parameters;
    tokens += groups.reduce((sum, group) => sum + group.ids.length, 0);
    step++;
    report({ stage: stage.name, step, steps: stage.steps, loss: (await loss.data())[0] as number, tokens });
    loss.dispose();
  }
  optimizer.close();
  return parameters;
}

/** Every stage in turn, from nothing. The caller owns the parameters. */
export async function train(training: Training, report: (progress: Progress) => void): Promise<Parameters> {
  const { model, recipe } = training;
  let parameters = initialParameters(model.config, recipe.seed, recipe.initialDeviation);
  for (const stage of recipe.stages) parameters = await trainStage(training, stage, parameters, report);
  return parameters;
}

/** Linear warm-up, then cosine to 0 over the stage. */
function rate({ learningRate, steps }: Stage, step: number, warmup: number): number {
  return learningRate * Math.min(1, (step + 1) / warmup) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
}

/** Mean loss over all targets of the groups and its gradients, one group in memory at a time. The caller owns both. */
function gradients(
  model: { config: DecoderConfig },
  parameters: Parameters,
  groups: readonly Group[],
): { loss: tf.Scalar; grads: { [name: string]: tf.Tensor } } {
  const names = Object.keys(parameters);
  const tensors = names.map((name) => parameters[name] as tf.Tensor);
  const count = groups.reduce((sum, group) => sum + group.targets.length, 0);
  return tf.tidy(() => {
    let sum: { loss: tf.Scalar; grads: tf.Tensor[] } | undefined;
    for (const group of groups) {
      const before = sum;
      sum = tf.tidy(() => {
        const differentiate = tf.valueAndGrads((...values: tf.Tensor[]) =>
          groupLoss(model, Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor])), group, count),
        );
        const { value, grads } = differentiate(tensors);
        if (!before) return { loss: value as tf.Scalar, grads };
        return {
          loss: tf.add(before.loss, value),
          grads: grads.map((g, i) => tf.add(g, before.grads[i] as tf.Tensor)),
        };
      });
      if (before) tf.dispose([before.loss, ...before.grads]);
    }
    if (!sum) throw new Error('a step without rows');
    const { loss, grads } = sum;
    return { loss, grads: Object.fromEntries(names.map((name, i) => [name, grads[i] as tf.Tensor])) };
  });
}

/** Sum of the targets' negative log-likelihoods over `count`. Logits are computed where there is a target, nowhere else. */
function groupLoss(model: { config: DecoderConfig }, parameters: Parameters, group: Group, count: number): tf.Scalar {
  const { config } = model;
  const weights = weightsOf(config, parameters);
  const embeddings = embed(weights, tf.tensor2d(group.ids, [group.rows, group.length], 'int32'));
  const { hidden } = decode(model, weights, { embeddings });
  const flat = tf.reshape(hidden, [-1, config.hiddenSize]) as tf.Tensor2D;
  // `embed` is a gather whose gradient every engine has; here the table is the hidden states.
  const places = tf.tensor2d(group.places, [1, group.places.length], 'int32');
  const predicting = tf.reshape(embed({ embedding: flat }, places), [-1, config.hiddenSize]) as tf.Tensor2D;
  const likelihoods = targetLogProbs(logits(model.config, weights, predicting), tf.tensor1d(group.targets, 'int32'));
  return tf.mul(tf.sum(likelihoods), -1 / count);
}
