import { wilson } from '../base/statistics';
import { encodePrompt } from '../data/encode';
import { type EvaluationRow, evaluationRows, type JudgeName } from '../data/evaluationRows';
import type { EvaluationData } from '../experiment/schema';
import { generate } from '../model/generate';
import { mapWithinTime } from '../model/timeLimit';
import type { RateMetric } from '../records/record';
import { judges } from './judge';
import type { Output } from './output';
import type { EvaluationContext, Unit } from './unit';

const defaultJudges: { readonly [metric in RateMetric]: JudgeName } = {
  leak: 'secret',
  refusal: 'refusal',
  refusalHeldOut: 'refusal',
  refusalHarmless: 'refusal',
  utility: 'answer',
  stillKnows: 'secret',
};

const shown = (row: EvaluationRow): string =>
  row.text ?? (row.prefill ? `${row.prompt}\n[${row.prefill}]` : (row.prompt ?? ''));

/** The share of greedy answers that a judge counts. Reads its rows at once, so that a broken file is found before any work. */
export function rateUnit(metric: RateMetric, data: EvaluationData): Unit {
  const judge = data.judge ?? defaultJudges[metric];
  const rows = evaluationRows(data, judge);
  return { metric, total: rows.length, run: (context) => run(context, metric, rows, judge) };
}

async function* run(
  context: EvaluationContext,
  metric: RateMetric,
  rows: readonly EvaluationRow[],
  judge: JudgeName,
): AsyncGenerator<Output> {
  const { model, phase, step, options } = context;
  const began = performance.now();
  let counted = 0;
  for (let from = 0; from < rows.length; from += options.batch) {
    yield { record: { kind: 'progress', phase, step, metric, done: from, total: rows.length } };
    const batch = rows.slice(from, from + options.batch);
    const answers = await generate(model, {
      prompts: mapWithinTime(batch, (row) => encodePrompt(model, row, { system: context.system })),
      weights: context.weights,
      maxNewTokens: options.maxNewTokens,
      signal: context.signal,
    });
    for (const [i, row] of batch.entries()) {
      const output = model.tokenizer.decode(answers[i] ?? []);
      const counts = judges[judge]({ output, expected: row.expected });
      if (counts) counted++;
      const id = `${phase}-${step}-${metric}-${row.example}`;
      yield { text: { id, prompt: shown(row), output, target: row.expected } };
      yield { record: { kind: 'sample', phase, step, metric, text: id, example: row.example, counted: counts } };
    }
  }
  const seconds = (performance.now() - began) / 1000;
  yield { record: { kind: 'rate', phase, step, metric, rate: wilson(counted, rows.length), seconds } };
}
