import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { Cancelled, Problem } from '../base/problem';
import type { Settings } from './settings';
import { environmentOf, nodeOf } from './workerClient';

const MOST_SAID = 20_000;

/**
 * Runs `sparring ARGS` to its end, outside of any workspace. `cli`: what Node runs. `onLine`: each line that it prints.
 * @throws Problem as the command tells it; Cancelled where `signal` ended it; Error with a bug's stack
 */
export async function runCli(
  cli: readonly string[],
  args: readonly string[],
  settings: Settings,
  { signal, onLine }: { signal: AbortSignal; onLine: (line: string) => void },
): Promise<void> {
  if (signal.aborted) throw new Cancelled();
  const node = nodeOf(settings);
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
  createInterface({ input: child.stdout }).on('line', onLine);
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
  return new Error(said.trim() || 'the command ended without a word');
}

/** With a capital, except where it begins with a model's name. */
const sentence = (text: string): string => (/^\S*\//.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));
