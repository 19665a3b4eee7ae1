// npm run bench -- [--shapes S,M,keeper] [--tasks cat,...] [--programs native,eager,wasm,optimised,released] [--rounds 5] [--threads 2]
//                  [--curves] [--native-path FOLDER] [--python python3] [--out FOLDER]
// A program's name may say a precision, too: native/nf4, wasm/bfloat16, released/nf4; and gradient checkpointing: native/nf4/checkpointed.
// Measures engines beside PyTorch (bench/pytorch), alternating, and writes benchmarks.json and benchmarks.md to --out.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './describeMachine';
import { makeModel } from './makeModel';
import { makeRows } from './makeRows';
import { type Answer, Program } from './program';
import { type Curve, report } from './report';
import { type Shape, type ShapeName, shapes } from './shapes';
import { type Task, tasks } from './tasks';

/** One program at one task. Seconds of every round but the first, which also compiles. */
export interface Measured {
  shape: string;
  task: Task;
  program: string;
  version: string;
  load: number;
  first: number;
  seconds: number[];
  peak: number | null;
  losses: { [name: string]: number };
  refused: string[];
}

/** The paper's training defaults, but a step that moves a random model's loss. */
const OPTIONS = {
  lora: { rank: 64, alpha: 16, dropout: 0.1 },
  attack: { iterations: 10, stepSize: 1e-3, epsilon: 0.1 },
};

const { values: flags } = parseArgs({
  options: {
    shapes: { type: 'string', default: 'S,M,keeper' },
    tasks: { type: 'string', default: Object.keys(tasks).join() },
    programs: { type: 'string', default: 'native,eager,wasm,optimised,released' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    curves: { type: 'boolean', default: false },
    'native-path': { type: 'string' },
    python: { type: 'string', default: 'python3' },
    out: { type: 'string' },
  },
});
const programs = flags.programs.split(',');
const rounds = Number(flags.rounds);
const folder = mkdtempSync(join(tmpdir(), 'sparring-bench-'));

function commandOf(program: string, model: string, threads: string): string[] {
  const [name = '', precision = 'float32', activations = 'kept'] = program.split('/');
  if (name === 'optimised' || name === 'released')
    return [flags.python, join(__dirname, 'pytorch', `${name}.py`), model, threads, precision];
  const engine = ['--import', 'tsx', join(__dirname, 'engine.ts'), model, threads, name, precision, activations];
  return [process.execPath, ...engine, ...(flags['native-path'] ? [flags['native-path']] : [])];
}

async function modelOf(name: string, shape: Shape): Promise<string> {
  const place = join(folder, name);
  await makeModel(place, shape);
  return place;
}

/** Every program at one task, one after the other in each round, so that a slow moment of the machine meets them all. */
async function measure(
  place: { name: string; shape: Shape; model: string; threads?: string },
  task: Task,
  names: readonly string[],
  count: number,
): Promise<Measured[]> {
  const { name, shape, model, threads = flags.threads } = place;
  const request = { task, rows: makeRows(shape, 1), tokens: shape.rows.generate.tokens, ...OPTIONS };
  const references = request.rows.adversarial.map(() => 0);
  const running: { program: Program; measured: Measured }[] = [];
  try {
    for (const one of names) {
      const { program, ready } = await Program.start(one, commandOf(one, model, threads));
      const blank = { first: 0, seconds: [], peak: null, losses: {}, refused: [] };
      running.push({ program, measured: { shape: name, task, program: one, ...ready, ...blank } });
    }
    const without = new Set<string>();
    for (let round = 0; round <= count; round++)
      for (const { program, measured } of running) {
        if (without.has(program.name)) continue;
        const answer = await program.ask({ ...request, references });
        if (answer) add(measured, answer, round);
        else without.add(program.name);
      }
    return running.filter(({ program }) => !without.has(program.name)).map(({ measured }) => measured);
  } finally {
    for (const { program } of running) await program.stop();
  }
}

function add(measured: Measured, { seconds, peak, losses, refused = [] }: Answer, round: number): void {
  if (round === 0) {
    measured.first = seconds;
    // Before any training: these are the same for every program.
    measured.losses = losses;
  } else measured.seconds.push(seconds);
  measured.peak = peak === null ? null : Math.max(peak, measured.peak ?? 0);
  measured.refused = refused;
}

/** Seconds of one attack iteration as one number of shape S grows. */
async function curves(): Promise<Curve[]> {
  const base = shapes.S;
  const { rows } = base;
  const withRows = (change: Partial<Shape['rows']['adversarial']>): Shape => ({
    ...base,
    rows: { ...rows, adversarial: { ...rows.adversarial, ...change } },
  });
  const axes: { axis: string; points: { x: number; shape: Shape; threads?: string }[] }[] = [
    { axis: 'prompt tokens', points: [20, 40, 80, 160].map((x) => ({ x, shape: withRows({ prompt: x }) })) },
    { axis: 'rows', points: [1, 2, 4, 8, 16].map((x) => ({ x, shape: withRows({ count: x }) })) },
    { axis: 'layers', points: [3, 6, 12, 24].map((x) => ({ x, shape: { ...base, layers: x } })) },
    { axis: 'vocabulary', points: [2048, 8192, 32768].map((x) => ({ x, shape: { ...base, vocabularySize: x } })) },
    { axis: 'threads', points: [1, 2].map((x) => ({ x, shape: base, threads: String(x) })) },
  ];
  const result: Curve[] = [];
  for (const { axis, points } of axes)
    for (const { x, shape, threads } of points) {
      const name = `S-${axis.split(' ')[0]}-${x}`;
      const model = await modelOf(name, shape);
      const names = programs.filter((program) => ['native', 'wasm', 'optimised'].includes(program));
      const measured = await measure({ name, shape, model, threads }, 'iteration', names, rounds);
      result.push({ axis, x, measured });
      rmSync(model, { recursive: true });
    }
  return result;
}

async function main(): Promise<void> {
  const measured: Measured[] = [];
  for (const name of flags.shapes.split(',') as ShapeName[]) {
    const shape = shapes[name];
    if (!shape) throw new Error(`there is no shape ${name}; there are ${Object.keys(shapes).join(', ')}`);
    const model = await modelOf(name, shape);
    for (const task of flags.tasks.split(',') as Task[]) {
      if (!(task in tasks)) throw new Error(`there is no task ${task}; there are ${Object.keys(tasks).join(', ')}`);
      console.log(`${name}: ${tasks[task]}`);
      // One thing at a time: what one program holds is no other's peak.
      measured.push(...(await measure({ name, shape, model }, task, programs, rounds)));
    }
    rmSync(model, { recursive: true });
  }
  const curve = flags.curves ? await curves() : [];
  const machine = await describeMachine(flags.python, Number(flags.threads));
  const text = report({ machine, measured, curves: curve, options: OPTIONS });
  console.log(text);
  if (flags.out) {
    mkdirSync(flags.out, { recursive: true });
    writeFileSync(
      join(flags.out, 'benchmarks.json'),
      `${JSON.stringify({ machine, options: OPTIONS, measured, curves: curve }, null, 1)}\n`,
    );
    writeFileSync(join(flags.out, 'benchmarks.md'), text);
  }
}

main()
  .catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  })
  .finally(() => rmSync(folder, { recursive: true, force: true }));
