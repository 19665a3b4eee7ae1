import { idText, type ModelId, parseModelId } from '../base/hubCache';
import { runCli } from './runCli';
import type { Settings } from './settings';

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
  // One word with its value, so that no name is taken for an option.
  const args = ['model', 'pull', '--plain', ...(file === undefined ? [] : [`--file=${file}`]), idText(id)];
  await runCli(cli, args, settings, {
    signal,
    onLine: (line) => {
      const [, done, total, name] = /^progress (\d+) (\d+) (.*)$/.exec(line) ?? [];
      if (name !== undefined) onProgress(Number(done), Number(total), name);
    },
  });
}
