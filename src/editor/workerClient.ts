import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createMessageConnection, RequestType, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { Problem } from '../base/problem';
import {
  WORKER_PROTOCOL,
  type WorkerAddress,
  type WorkerMethod,
  type WorkerRequests,
  type WorkerStatus,
} from '../protocol/worker';
import { runFile } from '../records/runFolder';
import type { Settings } from './settings';

/** What the worker prints; people read it with "Show Log". */
export const WORKER_LOG = 'worker.log';

/** The Node that runs workers: VS Code's own, unless the settings name another. */
export function nodeOf(settings: Settings): string {
  if (settings.node === '') return process.execPath;
  if (!existsSync(settings.node))
    throw new Problem(
      'noNode',
      `sparring.node is ${settings.node}, and there is no such file: mend or empty the setting.`,
    );
  return settings.node;
}

/** The worker's environment: VS Code's binary becomes a plain Node, and nobody's debugger or loader comes along. */
export function environmentOf(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, VSCODE_INSPECTOR_OPTIONS: _inspector, ...env } = process.env;
  return { ...env, ELECTRON_RUN_AS_NODE: '1' };
}

/** The options that say where the engines' packages are. */
export function enginePathsOf({ nativePath, webgpuPath }: Settings): string[] {
  const options: string[] = [];
  for (const [setting, option, path] of [
    ['nativePath', '--native-path', nativePath],
    ['webgpuPath', '--webgpu-path', webgpuPath],
  ] as const) {
    if (path === '') continue;
    if (!existsSync(path))
      throw new Problem(
        setting === 'nativePath' ? 'noNativePath' : 'noWebgpuPath',
        `sparring.${setting} is ${path}, and there is no such folder: mend or empty the setting.`,
      );
    options.push(option, path);
  }
  return options;
}

/** Command-line options that carry the settings. */
export function optionsOf(settings: Settings): string[] {
  return [
    ...(settings.engine === '' ? [] : ['--engine', settings.engine]),
    ...(settings.threads === 0 ? [] : ['--threads', String(settings.threads)]),
  ];
}

/**
 * Starts `sparring <args>` as a process of its own that outlives this window. It writes into the run folder; what it prints goes to worker.log
 * there. Throws a Problem when it cannot be started at all.
 */
export async function startWorker(
  cli: string,
  args: readonly string[],
  folder: string,
  settings: Settings,
): Promise<ChildProcess> {
  mkdirSync(folder, { recursive: true });
  const output = openSync(join(folder, WORKER_LOG), 'a');
  const node = nodeOf(settings);
  try {
    const child = spawn(node, [cli, ...args, ...enginePathsOf(settings)], {
      cwd: folder,
      env: environmentOf(),
      detached: true,
      windowsHide: true,
      stdio: ['ignore', output, output],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new Problem('workerStart', `The worker could not be started with ${node}: ${error.message}.`)),
      );
    });
    // The run does not depend on this window, and this window does not wait for it.
    child.unref();
    return child;
  } finally {
    closeSync(output);
  }
}

/** Where the worker of a run listens; undefined when none does. */
export function readAddress(folder: string): WorkerAddress | undefined {
  try {
    const address = JSON.parse(readFileSync(runFile(folder, 'worker'), 'utf8')) as Partial<WorkerAddress>;
    return typeof address.pid === 'number' && typeof address.pipe === 'string' && typeof address.protocol === 'number'
      ? (address as WorkerAddress)
      : undefined;
  } catch {
    // no file, or one that is being written: nobody to speak to now
    return undefined;
  }
}

/** Connects to a worker's pipe. The system accepts for a worker that computes; it answers when JavaScript has its turn. */
function reach(pipe: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(pipe);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // From now on a broken link is no failure: all facts are in the run folder.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

/** Sends one request over a socket and closes it after the answer, however long that takes. */
async function request<M extends WorkerMethod>(socket: Socket, method: M): Promise<WorkerRequests[M]['result']> {
  const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  connection.listen();
  try {
    const type = new RequestType<WorkerRequests[M]['params'], WorkerRequests[M]['result'], void>(method);
    return await connection.sendRequest(type, {});
  } finally {
    connection.dispose();
    socket.destroy();
  }
}

/** Whether a worker listens for this run. The file that a killed worker left behind leads nowhere. */
export async function isListening(folder: string): Promise<boolean> {
  const address = readAddress(folder);
  if (!address) return false;
  try {
    (await reach(address.pipe)).destroy();
    return true;
  } catch {
    // nobody at the other end
    return false;
  }
}

/** What a run's worker says of itself; undefined where none of this version listens. */
export async function workerStatus(folder: string): Promise<WorkerStatus | undefined> {
  const address = readAddress(folder);
  if (address?.protocol !== WORKER_PROTOCOL) return undefined;
  try {
    return await request(await reach(address.pipe), 'status');
  } catch {
    // It has ended, or ends now.
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks a run's worker to stop. Says how: 'asked', or 'signalled' when nobody listens at its pipe. Never both: a second
 * request would end the worker in the middle of a step.
 */
export async function stopWorker(folder: string): Promise<'asked' | 'signalled'> {
  const address = readAddress(folder);
  if (!address || !isAlive(address.pid))
    throw new Problem('notRunning', 'No worker is writing this run, so there is nothing to stop.');
  const socket = address.protocol === WORKER_PROTOCOL ? await reach(address.pipe).catch(() => undefined) : undefined;
  if (!socket) {
    process.kill(address.pid, 'SIGTERM');
    return 'signalled';
  }
  // A link that breaks before the answer has still delivered the request, or the worker has ended: both are a stop.
  void request(socket, 'stop').catch(() => undefined);
  return 'asked';
}
