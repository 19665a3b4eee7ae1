import { type ParseArgsConfig, parseArgs } from 'node:util';
import { Problem } from '../base/problem';
import { ENGINE_NAMES, type EngineName } from '../tensor/backend/candidate';

export const USAGE = `sparring: adversarial training of language models, and the attacks that tell whether it helped

  sparring run FILE       train and evaluate as an experiment file says
  sparring resume RUN     go on with a run that was stopped or killed; RUN is its folder
  sparring check FILE     say what is wrong in an experiment file, without running it
  sparring report RUN     print a run's report, and write report.md and report.html again
  sparring demo [NAME]    run an example on the Keeper, the model that ships: cat (default), capo or sft
  sparring model show MODEL        what a model is, and what it needs: a folder, a GGUF file, hf:OWNER/NAME or builtin:keeper
  sparring model pull OWNER/NAME   download a model of the Hugging Face Hub into its cache; OWNER/NAME@REVISION for a revision
  sparring model export MODEL --to DIR   write a model for transformers, with an adapter merged in
  sparring engine         list the engines: found, refused and why
  sparring engine install fetch TensorFlow's library for the native engine with pip; engine remove takes it away
  sparring engine install --cuda     the same with CUDA, for NVIDIA's GPUs under Linux (3.3 GB)
  sparring engine install --webgpu   fetch the package webgpu with npm, for GPUs without TensorFlow

Options of run, resume and demo
  --engine NAME     auto, native, webgpu or wasm; instead of what the file says
  --threads N       cores to compute on
  --native-path DIR where TensorFlow's libraries are; default: what engine install set up
  --webgpu-path DIR where the npm package webgpu is; default: what engine install --webgpu set up
  --plain           plain lines instead of a progress bar (the default when the output is no terminal)
Options of run and demo
  --seed N          instead of the file's
  --steps N         optimizer steps, instead of the file's
  --runs DIR        where the run's folder is made; default: runs/NAME beside the file
  --run-id ID       name of the run's folder; default: date, time and seed

Options of engine install
  --tensorflow V    release of TensorFlow, 2.15.0 or later
  --python PATH     a Python whose TensorFlow is used where it is, or whose pip fetches it
Options of model
  --file NAME       pull: a GGUF file, where there are several
  --adapter DIR     export: a PEFT adapter, for example a run's folder adapter
  --dtype TYPE      export: F32, F16 or BF16 (default)

  --help, --version

Ctrl-C stops and leaves a run that resumes; a second Ctrl-C ends at once: the run then resumes from its last checkpoint.
Exit codes: 0 done, 1 a problem, 2 wrong use, 130 stopped.`;

export interface MachineFlags {
  engine?: 'auto' | EngineName;
  threads?: number;
  nativePath?: string;
  webgpuPath?: string;
}
export interface RunFlags extends MachineFlags {
  plain: boolean;
}
export interface NewRunFlags extends RunFlags {
  seed?: number;
  steps?: number;
  runs?: string;
  runId?: string;
}

/** A command line, understood. */
export type Command =
  | { name: 'help' }
  | { name: 'version' }
  | ({ name: 'run'; file: string } & NewRunFlags)
  | ({ name: 'demo'; example: string } & NewRunFlags)
  | ({ name: 'resume'; run: string } & RunFlags)
  | { name: 'check'; file: string }
  | { name: 'report'; run: string }
  | { name: 'model'; action: ModelAction }
  | { name: 'engine'; action: 'list'; machine: MachineFlags }
  | { name: 'engine'; action: 'install'; tensorflow?: string; python?: string; cuda: boolean; webgpu: boolean }
  | { name: 'engine'; action: 'remove' };

export type ModelAction =
  | { action: 'show'; model: string }
  | { action: 'pull'; id: string; file?: string; plain: boolean }
  | ({ action: 'export'; model: string; to: string; adapter?: string; dtype: 'F32' | 'F16' | 'BF16' } & MachineFlags);

const machine = {
  engine: { type: 'string' },
  threads: { type: 'string' },
  'native-path': { type: 'string' },
  'webgpu-path': { type: 'string' },
} as const;
const session = { ...machine, plain: { type: 'boolean' } } as const;
const newRun = {
  ...session,
  seed: { type: 'string' },
  steps: { type: 'string' },
  runs: { type: 'string' },
  'run-id': { type: 'string' },
} as const;
const optionsOf = {
  run: newRun,
  demo: newRun,
  resume: session,
  check: {},
  report: {},
  model: {
    ...machine,
    file: { type: 'string' },
    plain: { type: 'boolean' },
    to: { type: 'string' },
    adapter: { type: 'string' },
    dtype: { type: 'string' },
  },
  engine: {
    ...machine,
    tensorflow: { type: 'string' },
    python: { type: 'string' },
    cuda: { type: 'boolean' },
    webgpu: { type: 'boolean' },
  },
} as const;
/** Which of the engine command's options go with what it does. */
const engineOptions: { readonly [action: string]: readonly string[] } = {
  list: Object.keys(machine),
  install: ['tensorflow', 'python', 'cuda', 'webgpu'],
  remove: [],
};
/** Which of the model command's options go with what it does. */
const modelOptions: { readonly [action: string]: readonly string[] } = {
  show: [],
  pull: ['file', 'plain'],
  export: ['to', 'adapter', 'dtype', ...Object.keys(machine)],
};
type Name = keyof typeof optionsOf;

const usage = (message: string) => new Problem('usage', `${message} See sparring --help.`);

function whole(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw usage(`--${flag} must be a whole number from ${least} to ${most}, not ${text}.`);
  return value;
}

function engine(text: string | undefined): MachineFlags['engine'] {
  const known = (['auto', ...ENGINE_NAMES] as const).find((name) => name === text);
  if (text === undefined || known !== undefined) return known;
  throw usage(`--engine must be auto, native, webgpu or wasm, not ${text}.`);
}

function dtype(text: string | undefined): 'F32' | 'F16' | 'BF16' {
  if (text === undefined) return 'BF16';
  if (text === 'F32' || text === 'F16' || text === 'BF16') return text;
  throw usage(`--dtype must be F32, F16 or BF16, not ${text}.`);
}

function release(text: string | undefined): string | undefined {
  if (text === undefined || /^2\.\d+\.\d+$/.test(text)) return text;
  throw usage(`--tensorflow must be a release such as 2.21.0, not ${text}.`);
}

function runId(text: string | undefined): string | undefined {
  if (text === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)) return text;
  throw usage(`--run-id must be a plain name of letters, digits, dots and dashes, not ${text}.`);
}

/** Understands the arguments after `sparring`. Throws a Problem `usage`. */
export function parseCommand(argv: readonly string[]): Command {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || argv.includes('--help') || argv.includes('-h')) return { name: 'help' };
  if (name === '--version' || name === '-v') return { name: 'version' };
  if (!(name in optionsOf)) throw usage(`There is no command ${name}; there are ${Object.keys(optionsOf).join(', ')}.`);
  const known = name as Name;
  const options: ParseArgsConfig['options'] = optionsOf[known];
  let values: { [flag: string]: unknown };
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args: rest,
      options,
      allowPositionals: true,
      strict: true,
    }));
  } catch (error) {
    throw usage(`${(error as Error).message.replace(/\. To specify.*$/s, '').replace(/\.$/, '')}.`);
  }
  const text = (flag: string): string | undefined => {
    const value = values[flag];
    return typeof value === 'string' ? value : undefined;
  };
  const one = (what: string): string => {
    const [first, ...more] = positionals;
    if (first === undefined) throw usage(`sparring ${name} needs ${what}.`);
    if (more.length > 0) throw usage(`sparring ${name} takes ${what} only; what is ${more.join(' ')}?`);
    return first;
  };
  const onMachine: MachineFlags = {
    engine: engine(text('engine')),
    threads: whole('threads', text('threads'), 1, 1024),
    nativePath: text('native-path'),
    webgpuPath: text('webgpu-path'),
  };
  const inSession = { ...onMachine, plain: values['plain'] === true };
  const ofNewRun = () => ({
    ...inSession,
    seed: whole('seed', text('seed'), 0, 0xffffffff),
    steps: whole('steps', text('steps'), 1, 1e9),
    runs: text('runs'),
    runId: runId(text('run-id')),
  });
  switch (known) {
    case 'run':
      return { name: known, file: one('an experiment file'), ...ofNewRun() };
    case 'demo':
      return { name: known, example: positionals.length === 0 ? 'cat' : one('one name'), ...ofNewRun() };
    case 'resume':
      return { name: known, run: one("a run's folder"), ...inSession };
    case 'check':
      return { name: known, file: one('an experiment file') };
    case 'report':
      return { name: known, run: one("a run's folder") };
    case 'model': {
      const [action = '', model, ...more] = positionals;
      const allowed = Object.hasOwn(modelOptions, action) ? modelOptions[action] : undefined;
      if (!allowed) throw usage(`sparring model needs one of ${Object.keys(modelOptions).join(', ')}.`);
      if (model === undefined || more.length > 0)
        throw usage(`sparring model ${action} takes ${action === 'pull' ? 'one OWNER/NAME' : 'one model'}.`);
      const strange = Object.keys(values).find((flag) => !allowed.includes(flag));
      if (strange !== undefined) throw usage(`sparring model ${action} takes no --${strange}.`);
      if (action === 'show') return { name: known, action: { action, model } };
      if (action === 'pull')
        return { name: known, action: { action, id: model, file: text('file'), plain: values['plain'] === true } };
      const to = text('to');
      if (to === undefined) throw usage('sparring model export needs --to DIR, a new folder.');
      const exported = { model, to, adapter: text('adapter'), dtype: dtype(text('dtype')) };
      return { name: known, action: { action: 'export', ...exported, ...onMachine } };
    }
    case 'engine': {
      const [action = 'list', ...more] = positionals;
      const allowed = Object.hasOwn(engineOptions, action) ? engineOptions[action] : undefined;
      if (!allowed || more.length > 0)
        throw usage(`sparring engine takes install, remove or nothing, not ${positionals.join(' ')}.`);
      const strange = Object.keys(values).find((flag) => !allowed.includes(flag));
      if (strange !== undefined) throw usage(`sparring engine ${action} takes no --${strange}.`);
      if (action === 'remove') return { name: known, action };
      if (action === 'install') {
        const [tensorflow, python] = [text('tensorflow'), text('python')];
        const [cuda, webgpu] = [values['cuda'] === true, values['webgpu'] === true];
        if (webgpu && (cuda || (tensorflow ?? python) !== undefined))
          throw usage("--webgpu takes no --tensorflow, --python or --cuda: it is not TensorFlow's.");
        return { name: known, action, tensorflow: release(tensorflow), python, cuda, webgpu };
      }
      return { name: known, action: 'list', machine: onMachine };
    }
  }
}
