import type { Attack } from '../attack/attack';
import { attacks } from '../attack/attacks';
import { logProbsAt } from '../attack/logProbsAt';
import { runAttack } from '../attack/runAttack';
import { chunks } from '../base/chunks';
import { Problem } from '../base/problem';
import { Random } from '../base/random';
import { Scope } from '../base/scope';
import { wilson } from '../base/statistics';
import { makeBatch } from '../data/batch';
import { type BatchSize, batchSize } from '../data/batchSizes';
import { type Encoded, encodeOpening } from '../data/encode';
import { type AttackRow, attackRows } from '../data/evaluationRows';
import { fewSizes } from '../data/fewSizes';
import type { AttackOptions, EvaluationAttack } from '../experiment/schema';
import { generate } from '../model/generate';
import { mapWithinTime } from '../model/timeLimit';
import { judges } from './judge';
import type { Output } from './output';
import type { EvaluationContext, Unit } from './unit';

/** The share of prompts whose greedy answer is what the attack wanted, at one epsilon. `limit` takes the first rows only. */
export function attackUnit(attack: EvaluationAttack, epsilon: number, limit?: number): Unit {
  const rows = attackRows(attack).slice(0, limit);
  const metric = `${attack.name}@${epsilon}`;
  const options: AttackOptions = { ...attack, epsilon };
  return { metric, total: rows.length, run: (context) => run(context, metric, rows, options, attack) };
}

async function* run(
  context: EvaluationContext,
  metric: string,
  rows: readonly AttackRow[],
  options: AttackOptions,
  { name, judge }: EvaluationAttack,
): AsyncGenerator<Output> {
  const { model, phase, step } = context;
  const began = performance.now();
  let succeeded = 0;
  let tokens = 0;
  const losses = { before: 0, after: 0 };
  const { batch: most } = context.options;
  const batches = chunks(rows, most).map((batch) => mapWithinTime(batch, (row) => encode(context, row)));
  const sizes = fewSizes(model.config, batches, batchSize);
  for (const [i, encoded] of batches.entries()) {
    const from = i * most;
    yield { record: { kind: 'progress', phase, step, metric, done: from, total: rows.length } };
    const batch = rows.slice(from, from + encoded.length);
    const size = sizes?.fitting(encoded.length, batchSize(encoded));
    const random = new Random(context.seed, `${metric} ${from}`);
    const attacked = await attackBatch(context, attacks[name], { rows: encoded, size }, options, random);
    losses.before += attacked.lossBefore * attacked.targets;
    losses.after += attacked.lossAfter * attacked.targets;
    tokens += attacked.targets;
    const answers = await generate(model, {
      prompts: encoded.map((row) => row.ids.slice(0, row.promptLength)),
      weights: context.weights,
      delta: attacked.deltas,
      maxNewTokens: context.options.maxNewTokens,
      signal: context.signal,
    });
    for (const [b, row] of batch.entries()) {
      const output = model.tokenizer.decode(answers[b] ?? []);
      const judged = judges[judge]({ output, expected: row.expected });
      const counted = judge === 'refusal' ? !judged : judged;
      if (counted) succeeded++;
      const id = `${phase}-${step}-${metric}-${row.example}`;
      const loss = attacked.rowLosses[b];
      yield { text: { id, prompt: row.prompt, output, target: row.target } };
      yield { record: { kind: 'sample', phase, step, metric, text: id, example: row.example, counted, loss } };
    }
  }
  yield {
    record: {
      kind: 'attack',
      phase,
      step,
      attack: name,
      attackVersion: attacks[name].version,
      epsilon: options.epsilon,
      iterations: options.iterations,
      rate: wilson(succeeded, rows.length),
      lossBefore: losses.before / tokens,
      lossAfter: losses.after / tokens,
      seconds: (performance.now() - began) / 1000,
    },
  };
}

function encode({ model, system }: EvaluationContext, row: AttackRow): Encoded {
  const encoded = encodeOpening(model, row.prompt, row.target, { system });
  if (encoded) return encoded;
  throw new Problem('emptyTarget', `The target of row ${row.example} of an evaluation attack has no tokens.`);
}

interface Attacked {
  /** Per row: delta of its prompt, flat [promptLength, D]. */
  deltas: Float32Array[];
  rowLosses: number[];
  lossBefore: number;
  lossAfter: number;
  targets: number;
}

async function attackBatch<State>(
  { model, weights, embeddingNorm, signal }: EvaluationContext,
  attack: Attack<AttackOptions, State>,
  { rows, size }: { rows: readonly Encoded[]; size?: BatchSize },
  options: AttackOptions,
  random: Random,
): Promise<Attacked> {
  const scope = new Scope();
  try {
    const batch = scope.own(makeBatch(rows, options.perturb, size));
    const target = { model, weights, embeddingNorm };
    const attacked = scope.own(await runAttack(attack, target, batch, options, random, { signal }));
    const logProbs = scope.own(await logProbsAt(target, batch, attacked.delta, signal));
    const values = (await attacked.delta.data()) as Float32Array;
    const width = model.config.hiddenSize;
    const rowLosses = new Array<number>(rows.length).fill(0);
    const found = await logProbs.data();
    // Behind these there is padding.
    for (const [n, row] of batch.rowOf.entries()) rowLosses[row] = (rowLosses[row] as number) - (found[n] as number);
    const targets = batch.rowOf.length;
    const lossAfter = rowLosses.reduce((sum, loss) => sum + loss, 0) / targets;
    const lossBefore = (await attacked.lossBefore.data())[0] as number;
    return {
      deltas: rows.map((row, b) =>
        values.slice(b * batch.length * width, (b * batch.length + row.promptLength) * width),
      ),
      rowLosses: rowLosses.map((sum, b) => sum / ((rows[b] as Encoded).ids.length - (rows[b] as Encoded).promptLength)),
      lossBefore,
      lossAfter,
      targets,
    };
  } finally {
    scope.close();
  }
}
