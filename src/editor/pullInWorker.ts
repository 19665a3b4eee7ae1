import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { idText, type ModelId, parseModelId } from '../base/hubCache';
import { Cancelled, Problem } from '../base/problem';
import type { Settings } from './settings';
import { environmentOf, nodeOf } from './workerClient';

/** What is to be downloaded. */
export interface Wanted {
  id: ModelId;
  /** A GGUF file's name, where the model has several. */
  file?: string;
}

/** `OWNER/NAME[@revision]`, with a GGUF file's name behind a space where one is meant. @throws Problem `modelId` */
export function parseWanted(text: string): Wanted {
  const [id = '', ...file] = text.trim().split(' ');
  return { id: parseModelId(id), ...(file.length > 0 ? { file: file.join(' ').trim() } : {}) };
}

export interface Pulling {
  signal: AbortSignal;
  /** Bytes that are there, and all; the file that comes. */
  onProgress(done: number, total: number, file: string): void;
}

const MOST_SAID = 20_000;

/**
 * Downloads a model with `sparring model pull`: the network is the command's, never this window's. `cli`: what Node runs.
 * @throws Problem as the command tells it; Cancelled, with everything downloaded so far kept; Error with a bug's stack
 */
export async function pullInWorker(
  cli: readonly string[],
  { id, file }: Wanted,
  settings: Settings,
  { signal, onProgress }: Pulling,
): Promise<void> {
  if (signal.aborted) throw new Cancelled();
  const node = nodeOf(settings);
  // One word with its value, so that no name is taken for an option.
  const args = ['model', 'pull', '--plain', ...(file === undefined ? [] : [`--file=${file}`]), idText(id)];
  const child = spawn(node, [...cli, ...args], {
    cwd: homedir(),
    env: environmentOf(),
    windowsHide: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, MOST_SAID);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, done, total, name] = /^progress (\d+) (\d+) (.*)$/.exec(line) ?? [];
    if (name !== undefined) onProgress(Number(done), Number(total), name);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (error) =>
        reject(new Problem('workerStart', `The worker could not be started with ${node}: ${error.message}.`)),
      );
      child.once('close', resolve);
    });
    if (code === 0) return;
    if (signal.aborted || code === 130) throw new Cancelled();
    throw failure(said);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What the command said on its way out: a problem's sentence with its code, or a bug. */
function failure(said: string): Error {
  const [, message, code] = /^(.+) \((\w+)\)$/.exec(said.trim()) ?? [];
  if (message !== undefined && code !== undefined && code !== 'bug') return new Problem(code, sentence(message));
  return new Error(said.trim() || 'the download ended without a word');
}

/** With a capital, except where it begins with a model's name. */
const sentence = (text: string): string => (/^\S*\//.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));
