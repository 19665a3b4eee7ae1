import type { Machine } from './describeMachine';
import { flops } from './flops';
import type { Measured } from './run';
import { type ShapeName, shapes } from './shapes';
import { tasks } from './tasks';

/** One point of a curve: what every program took at x. */
export interface Curve {
  axis: string;
  x: number;
  measured: Measured[];
}

export interface Results {
  machine: Machine;
  measured: readonly Measured[];
  curves: readonly Curve[];
  options: { lora: { rank: number; alpha: number; dropout: number }; attack: { iterations: number } };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const seconds = (value: number): string =>
  value < 1 ? `${(1000 * value).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

/** The results as Markdown: one table, the curves, and what they were measured on. */
export function report({ machine, measured, curves, options }: Results): string {
  const { lora, attack } = options;
  const parts = [
    '# Benchmarks',
    `Made by \`npm run bench\`. ${machine.processor}, ${machine.cores} cores, ${machine.memoryGB} GB, ${machine.system}, Node ${machine.node}; ` +
      `${machine.threads} threads for every program. Medians of ${measured[0]?.seconds.length ?? 0} rounds after a first one, all programs of a ` +
      `row alternating. LoRA rank ${lora.rank}, dropout ${lora.dropout}; ${attack.iterations} iterations of the attack in a step. ` +
      `\`optimised\` and \`released\` are the PyTorch programs in bench/pytorch.` +
      (machine.sgemm
        ? ` PyTorch's 2048 x 2048 product on this machine: ${(machine.sgemm / 1e9).toFixed(0)} GFLOP/s.`
        : ''),
    table(
      ['shape', 'task', 'program', 'median', 'best', 'first', 'to optimised', 'of sgemm', 'peak', 'load'],
      measured.map((one) => lineOf(one, measured, { machine, options })),
    ),
    ...(curves.length > 0 ? ['## One iteration of the attack, shape S', curveTable(curves)] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

function lineOf(
  one: Measured,
  all: readonly Measured[],
  { machine, options }: Pick<Results, 'machine' | 'options'>,
): (string | number)[] {
  const took = median(one.seconds);
  const beside = all.find(
    ({ shape, task, program }) => shape === one.shape && task === one.task && program === 'optimised',
  );
  const { iterations } = options.attack;
  const count = flops(one.task, shapes[one.shape as ShapeName], { iterations, rank: options.lora.rank });
  const share = count && machine.sgemm ? `${((100 * count) / took / machine.sgemm).toFixed(0)} %` : '';
  return [
    one.shape,
    tasks[one.task],
    one.program,
    seconds(took),
    seconds(Math.min(...one.seconds)),
    seconds(one.first),
    beside ? `${(median(beside.seconds) / took).toFixed(2)} x` : '',
    share,
    one.peak === null ? '' : `${one.peak.toFixed(0)} MB`,
    seconds(one.load),
  ];
}

function curveTable(curves: readonly Curve[]): string {
  const names = [...new Set(curves.flatMap(({ measured }) => measured.map(({ program }) => program)))];
  return table(
    ['', '', ...names],
    curves.map(({ axis, x, measured }) => [
      axis,
      x,
      ...names.map((name) => {
        const found = measured.find(({ program }) => program === name);
        return found ? seconds(median(found.seconds)) : '';
      }),
    ]),
  );
}
