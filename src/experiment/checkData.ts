import { basename, extname } from 'node:path';
import type { CheckContext } from './checkContext';
import type { PlacedProblem } from './explain';
import { nearest } from './nearest';
import type { Path } from './parse';
import { DATA_ENDINGS, type Sample } from './sampleRows';
import type { EvaluationData } from './schema';

const filled = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

/** One data file of the experiment and what its rows need. */
class DataCheck {
  readonly problems: PlacedProblem[] = [];

  constructor(
    private readonly context: CheckContext,
    private readonly at: Path,
    private readonly file: string,
  ) {}

  private add(
    code: string,
    message: string,
    field: string,
    part: 'key' | 'value' = 'value',
    fix?: PlacedProblem['fix'],
  ): void {
    this.problems.push({ code, severity: 'error', at: [...this.at, field], part, message, fix });
  }

  /** The rows, where the file can be read; what is wrong with it is said. */
  rows(): Sample | undefined {
    const { files } = this.context;
    if (!files.isFile(this.file)) {
      const what = files.isFolder(this.file) ? `${this.file} is a folder: name a file in it.` : this.missingFile();
      this.add('dataMissing', what, 'file');
      return undefined;
    }
    const ending = extname(this.file).toLowerCase();
    if (!DATA_ENDINGS.some((it) => it === ending)) {
      this.add(
        'dataFormat',
        `${basename(this.file)} is no .csv, .json or .jsonl file: convert it to one of these.`,
        'file',
      );
      return undefined;
    }
    const reason = this.context.broken(this.file);
    if (reason !== undefined) {
      this.add(
        'dataBroken',
        `${basename(this.file)} cannot be read as ${ending.slice(1)}: ${reason.replace(/\.$/, '')}.`,
        'file',
      );
      return undefined;
    }
    const sample = this.context.sample(this.file);
    if (sample?.rows.length === 0) {
      this.add('dataEmpty', `${basename(this.file)} holds no rows: it needs at least one.`, 'file');
      return undefined;
    }
    return sample;
  }

  private missingFile(): string {
    const folder = this.file.slice(0, -basename(this.file).length).replace(/[/\\]$/, '');
    const near = nearest(basename(this.file), this.context.files.namesIn(folder));
    return `There is no data file ${this.file}: ${near ? `did you mean '${near}'?` : "correct the path, which starts at this file's folder."}`;
  }

  /** Says so when no row, or not every row, has this column. `purpose`: what it is needed for. */
  column(sample: Sample, field: string, column: string, purpose: string): void {
    if (!sample.columns.includes(column)) {
      const near = nearest(column, sample.columns);
      const mend = near ? `did you mean '${near}'?` : `name another one with '${field}'.`;
      this.add(
        'columnMissing',
        `${basename(this.file)} has no column '${column}', which holds ${purpose}; its columns are ${sample.columns.join(', ')}: ${mend}`,
        field,
        'value',
        near ? { kind: 'set', title: `Use column '${near}'`, value: near } : undefined,
      );
      return;
    }
    const row = sample.rows.findIndex((it) => !filled(it[column]));
    if (row >= 0)
      this.add(
        'cellEmpty',
        `Row ${row + 1} of ${basename(this.file)} has nothing in column '${column}', which holds ${purpose}: fill it or remove the row.`,
        field,
      );
  }

  /** Every row needs all columns of one of these sets. */
  oneOf(sample: Sample, field: string, sets: readonly (readonly string[])[]): void {
    const row = sample.rows.findIndex((it) => !sets.some((set) => set.every((column) => filled(it[column]))));
    if (row < 0) return;
    const wanted = sets.map((set) => set.map((column) => `'${column}'`).join(' and ')).join(', or ');
    this.add(
      'columnMissing',
      `Row ${row + 1} of ${basename(this.file)} needs ${wanted}; its columns are ${Object.keys(sample.rows[row] ?? {}).join(', ')}.`,
      field,
    );
  }
}

/** The judge of a rate where the file names none. */
const JUDGES = {
  leak: 'secret',
  refusal: 'refusal',
  refusalHeldOut: 'refusal',
  refusalHarmless: 'refusal',
  utility: 'answer',
  stillKnows: 'secret',
} as const;

function checkRate(context: CheckContext, metric: keyof typeof JUDGES, data: EvaluationData): PlacedProblem[] {
  const check = new DataCheck(context, ['evaluation', metric], data.file);
  const sample = check.rows();
  if (sample) {
    check.oneOf(sample, 'file', [[data.prompt], [data.text]]);
    const judge = data.judge ?? JUDGES[metric];
    if (judge === 'secret') check.column(sample, 'secret', data.secret, 'what the judge looks for in the output');
    if (judge === 'answer') check.column(sample, 'answer', data.answer, 'what the judge compares the output with');
  }
  return check.problems;
}

/** Every data file: there, readable, with rows, and in each row the columns that are used. */
export function checkData(context: CheckContext): PlacedProblem[] {
  const { data, evaluation } = context.experiment;
  const problems: PlacedProblem[] = [];

  const adversarial = new DataCheck(context, ['data', 'adversarial'], data.adversarial.file);
  const rows = adversarial.rows();
  if (rows) {
    adversarial.column(rows, 'prompt', data.adversarial.prompt, 'the prompt that must not be answered');
    adversarial.column(rows, 'target', data.adversarial.target, 'the opening of a harmful answer');
    // rows without a safe answer get data.safeAnswer; but a column that was named must be there
    if (!rows.columns.includes(data.adversarial.safe) && data.adversarial.safe !== 'safe')
      adversarial.column(rows, 'safe', data.adversarial.safe, 'the safe answer');
  }
  problems.push(...adversarial.problems);

  if (data.utility) {
    const utility = new DataCheck(context, ['data', 'utility'], data.utility.file);
    const sample = utility.rows();
    if (sample) utility.oneOf(sample, 'file', [[data.utility.prompt, data.utility.answer], [data.utility.text]]);
    problems.push(...utility.problems);
  }

  evaluation.attacks.forEach((attack, i) => {
    const check = new DataCheck(context, ['evaluation', 'attacks', i], attack.file);
    const sample = check.rows();
    if (sample) {
      check.column(sample, 'prompt', attack.prompt, 'the prompt that is attacked');
      check.column(sample, 'target', attack.target, 'the opening that the attack optimises');
      if (attack.judge === 'secret') check.column(sample, 'secret', attack.secret, 'what counts as success');
    }
    problems.push(...check.problems);
  });
  for (const metric of Object.keys(JUDGES) as (keyof typeof JUDGES)[]) {
    const rate = evaluation[metric];
    if (rate) problems.push(...checkRate(context, metric, rate));
  }
  return problems;
}
