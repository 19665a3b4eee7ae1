import type { Scalar, Tensor1D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { embeddingAttack } from '../attack/embedding';
import { logProbsOfTargets, rowMeans } from '../attack/forward';
import { type Attacked, type AttackLinks, runAttack } from '../attack/runAttack';
import { Random } from '../base/random';
import { Scope } from '../base/scope';
import { type AnswerPair, type Batch, makeBatch, packPairs, partsOf } from '../data/batch';
import type { MicroBatch } from '../data/batches';
import { batchSize, pairSize } from '../data/batchSizes';
import { type CapoInput, type CapoLoss, capoLoss } from '../defense/capo';
import { type CatLoss, catLoss } from '../defense/cat';
import { orderReferences, type Reference } from '../defense/reference';
import { sftLoss } from '../defense/sft';
import type { CapoOptions } from '../experiment/schema';
import { embed } from '../model/decoder';
import { dropoutKey } from '../model/dropout';
import { type Adapter, type AdapterRun, freeMerged, mergeAdapter } from '../model/lora';
import type { TensorRecord } from '../tensor/optimizer';
import { addGradients, differentiate } from './differentiate';
import { sharesPrompts } from './planSizes';
import type { Setup } from './setUp';

/** What the gradients of a micro-batch depend on. */
export type MicroSetup = Pick<Setup, 'model' | 'embeddingNorm' | 'adversarial' | 'utility' | 'sizes'> & {
  resolved: Pick<Setup['resolved'], 'lora' | 'seed' | 'method' | 'attack'> & {
    training: Pick<Setup['resolved']['training'], 'gradientCheckpointing'>;
  };
};

export type Loss = CatLoss | CapoLoss;

/** Tensors of one micro-batch; whoever asked for them frees them. */
export interface MicroResult {
  gradients: TensorRecord;
  /** One per group of rows; their totals add up to the micro-batch's loss. */
  losses: Loss[];
  /** Token-mean loss of the targets at delta's start and, as the training sees it (dropout included), at the delta that is used. */
  attack?: { before: Scalar; after: Scalar };
  tokens: number;
}

/** Log-probabilities of a group's harmful answers [N] and safe answers [M], and the batches they come from. */
interface PairLogProbs {
  harmful: Tensor1D;
  safe: Tensor1D;
}

/**
 * Gradients and losses of one micro-batch. `index` counts them from 0 over the whole run and names the random numbers it uses.
 * @throws the signal's reason when it is aborted
 */
export async function microGradients(
  setup: MicroSetup,
  adapter: Adapter,
  micro: MicroBatch,
  index: number,
  references: readonly Reference[] | undefined,
  links: AttackLinks = {},
): Promise<MicroResult> {
  const { lora, seed } = setup.resolved;
  const dropout = (group: number) =>
    lora.dropout > 0 ? { rate: lora.dropout, key: dropoutKey(seed, 2 * index + group) } : undefined;
  const groups: MicroResult[] = [];
  try {
    if (micro.adversarial.length > 0) {
      const random = { index, dropout: dropout(0) };
      groups.push(await adversarialGradients(setup, adapter, micro.adversarial, random, references, links));
    }
    if (micro.utility.length > 0)
      groups.push(await utilityGradients(setup, adapter, micro.utility, dropout(1), links.signal));
  } catch (error) {
    groups.forEach(freeResult);
    throw error;
  }
  return groups.reduce((a, b) => ({
    gradients: addGradients(a.gradients, b.gradients),
    losses: [...a.losses, ...b.losses],
    attack: a.attack ?? b.attack,
    tokens: a.tokens + b.tokens,
  }));
}

/** For results that nobody uses. */
export const freeResult = ({ gradients, losses, attack }: MicroResult): void =>
  tf.dispose([gradients, losses.map((loss) => ({ ...loss })), attack ?? {}]);

async function utilityGradients(
  { model, resolved: { method, training }, utility, sizes }: MicroSetup,
  adapter: Adapter,
  rows: readonly number[],
  dropout: AdapterRun['dropout'],
  signal: AbortSignal | undefined,
): Promise<MicroResult> {
  const own = rows.flatMap((row) => utility[row] ?? []);
  const batch = makeBatch(own, 'all', sizes?.utility.fitting(own.length, batchSize(own)));
  const recompute = training.gradientCheckpointing;
  const key = `utility ${JSON.stringify({ method, recompute })}`;
  const args = { weights: model.weights, batch: partsOf(batch) };
  const lossOf = (run: AdapterRun, given: typeof args): Loss => {
    const embeddings = embed(given.weights, given.batch.ids);
    const logProbs = logProbsOfTargets({ model, weights: given.weights, recompute }, given.batch, embeddings, run);
    const input = { utility: logProbs, weights: { utility: given.batch.weights } };
    return method.name === 'capo' ? capoLoss(input, method) : catLoss(input, method);
  };
  try {
    const about = { config: model.config, adapter, dropout, key, signal };
    const { loss, gradients } = await differentiate(about, args, lossOf);
    return { gradients, losses: [loss], tokens: batch.tokens };
  } finally {
    batch.close();
  }
}

async function adversarialGradients(
  setup: MicroSetup,
  adapter: Adapter,
  rows: readonly number[],
  { index, dropout }: { index: number; dropout: AdapterRun['dropout'] },
  references: readonly Reference[] | undefined,
  links: AttackLinks,
): Promise<MicroResult> {
  const { model, resolved } = setup;
  const { method } = resolved;
  const recompute = resolved.training.gradientCheckpointing;
  const scope = new Scope();
  const pairs = rows.flatMap((row) => setup.adversarial[row] ?? []);
  try {
    const { harmful, safe, both } = pairBatches(setup, pairs, scope);
    const attacked = method.name === 'sft' ? undefined : await attackBatch(setup, adapter, harmful, index, links);
    if (attacked) scope.own(attacked);
    const embeddings = tf.tidy(() => {
      const clean = embed(model.weights, both.ids);
      return attacked ? (tf.add(clean, moveDelta(attacked.delta, both)) as Tensor3D) : clean;
    });
    scope.own(embeddings);
    const parts = {
      weights: model.weights,
      embeddings,
      both: partsOf(both),
      means: { harmfulMean: harmful.rowMean, safeMean: safe.rowMean },
      targets: { harmful: harmful.targets, safe: safe.targets },
      tokenWeights: { away: harmful.weights, toward: safe.weights },
    };
    const logProbs = (
      { weights, both: batch, embeddings: given, targets }: typeof parts,
      run?: AdapterRun,
    ): PairLogProbs => {
      const all = logProbsOfTargets({ model, weights, recompute }, batch, given, run);
      return { harmful: tf.slice(all, 0, targets.harmful), safe: tf.slice(all, targets.harmful, targets.safe) };
    };
    const reference =
      method.name === 'capo'
        ? referenceOf(method, rows, references, { harmful, safe }, () => logProbs(parts))
        : undefined;
    scope.own(() => tf.dispose(reference ?? {}));
    const key = `adversarial ${JSON.stringify({ method, recompute })}`;
    const args = { ...parts, reference };
    const { loss, gradients } = await differentiate(
      { config: model.config, adapter, dropout, key, signal: links.signal },
      args,
      (run, given): Loss => {
        const now = logProbs(given, run);
        const weights = given.tokenWeights;
        if (method.name === 'cat') return catLoss({ away: now.harmful, toward: now.safe, weights }, method);
        if (method.name === 'sft') return sftLoss({ away: now.harmful, toward: now.safe, weights }, method);
        if (!given.reference) throw new Error('CAPO needs references');
        return capoLoss({ pairs: { ...now, ...given.means, ...given.reference }, weights }, method);
      },
    );
    const attack = attacked && {
      before: tf.clone(attacked.lossBefore),
      after: tf.clone(loss.rawAway as Scalar),
    };
    return { gradients, losses: [loss], attack, tokens: both.tokens };
  } finally {
    scope.close();
  }
}

/** What is attacked, the safe answers, and both together, with one prompt for two answers where the model allows it. The scope's. */
function pairBatches({ model, resolved, sizes }: MicroSetup, pairs: readonly AnswerPair[], scope: Scope) {
  const size = sizes?.pairs.fitting(pairs.length, pairSize(pairs));
  const harmful = makeBatch(
    pairs.map((pair) => pair.harmful),
    resolved.attack.perturb,
    size && { length: size.attackLength, targets: size.harmful },
  );
  const safe = makeBatch(
    pairs.map((pair) => pair.safe),
    'all',
    size && { length: size.length, targets: size.safe },
  );
  const both = sharesPrompts(model.config)
    ? packPairs(pairs, size)
    : makeBatch([...pairs.map((pair) => pair.harmful), ...pairs.map((pair) => pair.safe)]);
  for (const batch of [harmful, safe, both]) scope.own(batch);
  return { harmful, safe, both };
}

/** The embedding attack against the model as it is now: LoRA merged into the weights, no dropout, no gradient to any weight. */
async function attackBatch(
  { model, embeddingNorm, resolved }: MicroSetup,
  adapter: Adapter,
  batch: Batch,
  index: number,
  links: AttackLinks,
): Promise<Attacked> {
  const weights = mergeAdapter(model.config, model.weights, adapter);
  try {
    const random = new Random(resolved.seed, `attack ${index}`);
    const target = { model, weights, embeddingNorm };
    return await runAttack(embeddingAttack, target, batch, resolved.attack, random, links);
  } finally {
    freeMerged(weights, model.weights);
  }
}

/** delta [n, T1, D] of n prompts on the same prompts in longer rows, once or, of 2 n rows, twice: [rows, length, D], 0 elsewhere. */
export function moveDelta(delta: Tensor3D, { rows, length }: Pick<Batch, 'rows' | 'length'>): Tensor3D {
  const [n, own] = delta.shape;
  // Behind the prompts delta is 0, so that what a shorter row has no place for says nothing.
  const fitting = own > length ? tf.slice(delta, [0, 0, 0], [-1, length, -1]) : delta;
  const longer = tf.pad(fitting, [
    [0, 0],
    [0, Math.max(0, length - own)],
    [0, 0],
  ]) as Tensor3D;
  return rows === n ? longer : (tf.concat([longer, longer], 0) as Tensor3D);
}

/** CAPO's references of these rows, [B] each: those computed up front, or under the attack with the adapter off. */
function referenceOf(
  method: CapoOptions,
  rows: readonly number[],
  references: readonly Reference[] | undefined,
  batches: { harmful: Batch; safe: Batch },
  logProbs: () => PairLogProbs,
): Pick<NonNullable<CapoInput['pairs']>, 'harmfulReference' | 'safeReference'> {
  if (method.referencePrompts === 'clean') {
    if (!references) throw new Error('the references of the clean prompts were not computed');
    const own = rows.flatMap((row) => references[row] ?? []);
    return {
      harmfulReference: tf.tensor1d(own.map((one) => one.harmful)),
      safeReference: tf.tensor1d(own.map((one) => one.safe)),
    };
  }
  return tf.tidy(() => {
    const now = logProbs();
    const order = orderReferences([...rows.keys()], method.referenceOrder);
    const reorder = (means: Tensor1D) => tf.gather(means, tf.tensor1d([...order], 'int32')) as Tensor1D;
    return {
      harmfulReference: reorder(rowMeans(batches.harmful, now.harmful)),
      safeReference: reorder(rowMeans(batches.safe, now.safe)),
    };
  });
}
