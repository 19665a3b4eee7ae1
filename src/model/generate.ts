import * as tf from '@tensorflow/tfjs-core';
import { nextTurn } from '../base/nextTurn';
import { tidied } from '../tensor/tidied';
import { MASKED } from './attention';
import { type Cache, emptyCache, freeCache, keepRows } from './cache';
import { compiledStep, makeRoom, stepsCompile } from './compiledStep';
import { decode, embed, logits } from './decoder';
import { frequenciesChange } from './frequencies';
import type { Adapter } from './lora';
import type { DecoderConfig, Model, Weights } from './model';
import { sample } from './sample';

export interface GenerateInput {
  /** Ids of each prompt, of any lengths, none empty. */
  prompts: readonly (readonly number[])[];
  /** Instead of the model's own, e.g. with an adapter merged in. */
  weights?: Weights;
  adapter?: Adapter;
  /** Per prompt: added to its embeddings, flat [length, D]. */
  delta?: readonly (Float32Array | undefined)[];
  maxNewTokens: number;
  /** 0 (default): greedy. */
  temperature?: number;
  topP?: number;
  seed?: number;
  /** Default: the end tokens of config.json and of the chat template's answers. */
  stopIds?: readonly number[];
  /** Aborted, it ends the generation after the token in flight, and its reason is thrown. */
  signal?: AbortSignal;
  /** Each new token as it comes, the stop token included. */
  onToken?: (row: number, id: number) => void;
}

/** The new ids of each prompt, without the stop token. Rows that have ended cost nothing more. Other work has its turn between two tokens. */
export async function generate(
  model: Pick<Model, 'config' | 'weights'> & Partial<Pick<Model, 'chat'>>,
  input: GenerateInput,
): Promise<number[][]> {
  const { prompts, maxNewTokens, temperature = 0, topP = 1, seed = 0 } = input;
  const weights = input.weights ?? model.weights;
  const run = input.adapter && { adapter: input.adapter };
  const stops = new Set(input.stopIds ?? stopIdsOf(model));
  const answers: number[][] = prompts.map(() => []);
  if (prompts.length === 0 || maxNewTokens < 1) return answers;
  input.signal?.throwIfAborted();

  const longest = Math.max(...prompts.map((prompt) => prompt.length));
  // Padded on the left, so that every row's last token is the batch's last.
  const padding = prompts.map((prompt) => longest - prompt.length);
  let rows = prompts.map((_, row) => row);
  /** A pass over all that is known of the rows still going. */
  const prefill = (): State =>
    tidied(() => {
      const pads = rows.map((row) => padding[row] as number);
      const embeddings = knownEmbeddings(weights, input, rows, answers, longest);
      const length = embeddings.shape[1];
      const positions = tf.tensor2d(
        pads.flatMap((pad) => Array.from({ length }, (_, i) => Math.max(0, i - pad))),
        [rows.length, length],
        'int32',
      );
      const select = tf.tensor1d(
        rows.map((_, i) => (i + 1) * length - 1),
        'int32',
      );
      const mask = prefillMask(pads, length);
      const decoded = decode(model, weights, { embeddings, positions, mask, select, cache: emptyCache() }, run);
      return last(model.config, weights, decoded);
    });
  const compiled = !input.adapter && stepsCompile(model.config, weights);
  const begin = (more: number): State => {
    const { logits: scores, cache } = prefill();
    return { logits: scores, cache: compiled ? makeRoom(cache, more) : cache };
  };
  let state = begin(maxNewTokens);
  const ended = new Set<number>();
  try {
    for (let step = 0; ; step++) {
      await nextTurn();
      input.signal?.throwIfAborted();
      const next = await choose(state.logits, { temperature, topP }, seed, rows, step);
      const going: number[] = [];
      next.forEach((id, i) => {
        const row = rows[i]!;
        if (ended.has(row)) return;
        input.onToken?.(row, id);
        if (stops.has(id)) {
          ended.add(row);
          return;
        }
        answers[row]!.push(id);
        going.push(i);
      });
      if (going.length === 0 || step + 1 === maxNewTokens) return answers;
      const kept = compiled ? halved(going, rows.length) : going;
      if (kept.length < rows.length) {
        const cache = keepRows(state.cache, kept, rows.length);
        freeCache(state.cache);
        state = { ...state, cache };
        rows = kept.map((i) => rows[i]!);
      }
      const old = state;
      const ids = kept.map((i) => next[i]!);
      const pads = rows.map((row) => padding[row]!);
      const seen = old.cache.length + 1;
      const changed = frequenciesChange(model.config.rope, old.cache.length, seen);
      if (compiled && !changed) {
        state = compiledStep(model, weights, old.cache, { ids, padding: pads });
        old.logits.dispose();
        continue;
      }
      if (changed) state = begin(maxNewTokens - step);
      else
        state = tidied(() => {
          const embeddings = embed(weights, tf.tensor2d(ids, [ids.length, 1], 'int32'));
          const positions = tf.tensor2d(
            pads.map((pad) => old.cache.length - pad),
            [rows.length, 1],
            'int32',
          );
          const more = { embeddings, positions, mask: stepMask(pads, seen), cache: old.cache };
          return last(model.config, weights, decode(model, weights, more, run));
        });
      freeState(old);
    }
  } finally {
    freeState(state);
  }
}

/**
 * The rows that go on, and of those that have ended as many as are left until half, a quarter, ... of all rows are gone: each number of rows
 * is a function of its own.
 */
function halved(going: readonly number[], rows: number): number[] {
  let size = rows;
  while (size > 1 && Math.ceil(size / 2) >= going.length) size = Math.ceil(size / 2);
  if (size === rows) return Array.from({ length: rows }, (_, i) => i);
  const others = Array.from({ length: rows }, (_, i) => i).filter((i) => !going.includes(i));
  return [...going, ...others.slice(0, size - going.length)].sort((a, b) => a - b);
}

/** The ids that end an answer of this model. */
export function stopIdsOf(model: Pick<Model, 'config'> & Partial<Pick<Model, 'chat'>>): number[] {
  const ids = new Set(model.config.eosIds);
  if (model.chat?.hasTemplate) ids.add(model.chat.endId);
  return [...ids];
}

interface State {
  /** [B, V] of the last token. */
  logits: tf.Tensor2D;
  cache: Cache;
}

function freeState({ logits: scores, cache }: State): void {
  scores.dispose();
  freeCache(cache);
}

/** Logits of hidden states, one per row. */
function last(
  config: DecoderConfig,
  weights: Weights,
  { hidden, cache }: { hidden: tf.Tensor3D; cache?: Cache },
): State {
  if (!cache) throw new Error('decode gave no cache');
  return { logits: logits(config, weights, tf.reshape(hidden, [-1, hidden.shape[2]])), cache };
}

async function choose(
  scores: tf.Tensor2D,
  options: { temperature: number; topP: number },
  seed: number,
  rows: readonly number[],
  step: number,
): Promise<number[]> {
  if (options.temperature === 0) {
    const best = tf.argMax(scores, 1);
    const ids = Array.from(await best.data());
    best.dispose();
    return ids;
  }
  const [, size] = scores.shape;
  const all = (await scores.data()) as Float32Array;
  return rows.map((row, i) => sample(all.subarray(i * size, (i + 1) * size), options, seed, row, step));
}

/** [B, longest + answered, D]: embeddings of these rows' padded prompts, each with its delta, and of what was answered so far. */
function knownEmbeddings(
  weights: Weights,
  { prompts, delta }: GenerateInput,
  rows: readonly number[],
  answers: readonly (readonly number[])[],
  longest: number,
): tf.Tensor3D {
  const known = rows.map((row) => {
    const prompt = prompts[row] ?? [];
    return [...new Array<number>(longest - prompt.length).fill(0), ...prompt, ...(answers[row] ?? [])];
  });
  const length = known[0]?.length ?? 0;
  const embeddings = embed(weights, tf.tensor2d(known, [rows.length, length], 'int32'));
  if (!delta?.some((one) => one)) return embeddings;
  const size = embeddings.shape[2];
  const values = new Float32Array(rows.length * length * size);
  rows.forEach((row, i) => {
    const one = delta[row];
    if (!one) return;
    const own = prompts[row]?.length ?? 0;
    if (one.length !== own * size)
      throw new Error(`delta of row ${row} has ${one.length} numbers, its prompt needs ${own} x ${size}`);
    values.set(one, (i * length + longest - own) * size);
  });
  return tf.add(embeddings, tf.tensor3d(values, [rows.length, length, size]));
}

/** [B, longest, longest]: causal, and no look at the padding. */
function prefillMask(padding: readonly number[], longest: number): tf.Tensor3D {
  const values = new Float32Array(padding.length * longest * longest);
  padding.forEach((pad, row) => {
    for (let i = 0; i < longest; i++) {
      const start = (row * longest + i) * longest;
      values.fill(MASKED, start, start + pad);
      values.fill(MASKED, start + i + 1, start + longest);
    }
  });
  return tf.tensor3d(values, [padding.length, longest, longest]);
}

/** [B, 1, seen]: no look at the padding; none where there is no padding. */
function stepMask(padding: readonly number[], seen: number): tf.Tensor3D | undefined {
  if (padding.every((pad) => pad === 0)) return undefined;
  const values = new Float32Array(padding.length * seen);
  padding.forEach((pad, row) => {
    values.fill(MASKED, row * seen, row * seen + pad);
  });
  return tf.tensor3d(values, [padding.length, 1, seen]);
}
