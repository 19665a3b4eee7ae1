import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { idText, isHubModel, locateHubModel, parseModelId } from '../base/hubCache';
import { formatProblem } from '../base/problem';
import { locate } from '../experiment/locate';
import { pullModel } from '../hub/pullModel';
import { loadAdapter } from '../model/adapter';
import { describeModel } from '../model/describeModel';
import { exportModel } from '../model/exportModel';
import { freeAdapter } from '../model/lora';
import { modelFiles } from '../model/modelFiles';
import { tokenizerOf } from '../model/openTokenizer';
import { startEngine } from '../tensor/engine';
import type { ModelAction } from './parseCommand';

/** `sparring model ...`; false where the model cannot be used. */
export async function modelCommand(action: ModelAction): Promise<boolean> {
  switch (action.action) {
    case 'pull':
      await pull(action);
      return true;
    case 'show':
      return show(placeOf(action.model));
    case 'export':
      await exportTo(action);
      return true;
  }
}

/** A model as people name it on a command line: a path, hf:OWNER/NAME or builtin:keeper. */
const placeOf = (model: string): string =>
  isHubModel(model) ? locateHubModel(model, process.env) : locate(model, process.cwd());

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const sizeText = (bytes: number): string => (bytes < 1e9 ? megabytes(bytes) : `${(bytes / 1e9).toFixed(2)} GB`);

async function pull({ id: text, file, plain }: ModelAction & { action: 'pull' }): Promise<void> {
  const id = parseModelId(text);
  const stop = new AbortController();
  const abort = () => stop.abort();
  process.once('SIGINT', abort).once('SIGTERM', abort);
  const bar = !plain && process.stdout.isTTY;
  let told = 0;
  const snapshot = await pullModel(id, {
    env: process.env,
    file,
    signal: stop.signal,
    onProgress: ({ done, total, file: name }) => {
      const now = Date.now();
      if (now - told < 250 && done < total) return;
      told = now;
      if (bar) process.stdout.write(`\r\u001b[K${megabytes(done)} of ${megabytes(total)}  ${name}`);
      else console.log(`progress ${done} ${total} ${name}`);
    },
  }).finally(() => {
    if (bar) process.stdout.write('\r\u001b[K');
    process.off('SIGINT', abort).off('SIGTERM', abort);
  });
  console.log(`${idText(id)} is in ${snapshot}`);
  console.log(`In an experiment file: model: hf:${idText(id)}`);
}

function show(place: string): boolean {
  const { config, problems, bytes, ...about } = describeModel(place);
  const say = (name: string, text: string) => console.log(`${name.padEnd(12)}${text}`);
  say('model', about.place);
  say('family', `${config.modelType} (${about.kind === 'gguf' ? 'GGUF' : 'safetensors'})`);
  const grouped = config.keyValueHeads < config.heads ? ` (${config.keyValueHeads} for keys and values)` : '';
  say(
    'sizes',
    `${config.layers} layers of ${config.hiddenSize}, ${config.heads} heads of ${config.headDim}${grouped}, feed-forward ${config.intermediateSize}`,
  );
  say('vocabulary', `${config.vocabularySize}${config.tied ? ', head tied' : ''}`);
  const window = config.windowed.filter(Boolean).length;
  say(
    'positions',
    `${config.maxPositions}${window > 0 ? `; ${window} of ${config.layers} layers see ${config.window}` : ''}`,
  );
  say(
    'weights',
    `${(about.parameters / 1e6).toFixed(1)} million, ${Math.round((100 * about.linearParameters) / about.parameters)} % of them in linear layers`,
  );
  say('templates', about.templates.join(', ') || 'none: name one as `template` in the experiment');
  for (const [precision, size] of Object.entries(bytes)) {
    const wasm = size < WASM_BYTES ? '' : '; more than wasm can hold';
    const memory = size < totalmem() ? '' : `; this machine has ${sizeText(totalmem())}`;
    say(precision, `${sizeText(size)} of memory for the weights${wasm}${memory}`);
  }
  if (about.unused.length > 0) say('unused', `${about.unused.length} tensors, such as ${about.unused[0]}`);
  for (const problem of problems) say('problem', formatProblem(problem.data));
  return problems.length === 0;
}

/** Addresses of 32 bits reach 4 GB; what passes through needs some of it. */
const WASM_BYTES = 3.5e9;

async function exportTo({
  model,
  adapter: from,
  to,
  dtype,
  ...machine
}: ModelAction & { action: 'export' }): Promise<void> {
  await startEngine({ ...machine, engine: machine.engine ?? 'auto' });
  const place = placeOf(model);
  const files = modelFiles(place);
  const { config } = tokenizerOf(files);
  const source = files.open(config);
  const adapter = from === undefined ? undefined : loadAdapter(resolve(from), config);
  try {
    const written = await exportModel({ files, config, source }, to, { adapter, dtype });
    console.log(`${written.length} files in ${resolve(to)}: ${written.join(', ')}`);
  } finally {
    source.close();
    if (adapter) freeAdapter(adapter);
  }
}
