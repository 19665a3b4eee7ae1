import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cancelled, Problem } from '../base/problem';
import { WEBGPU_VERSION, webgpuFolder, webgpuIn } from '../tensor/backend/webgpu/webgpuPackage';

export interface WebgpuInstallOptions {
  signal?: AbortSignal;
  say: (line: string) => void;
  /** The user's npm; default: the one on the PATH. */
  npm?: string;
}

/**
 * Has the user's npm fetch the package webgpu into the user's own folder; no script of any package runs. Resolves to where it is. What stood
 * there before stands until the new one is whole.
 * @throws Problem `npm` with what is missing and what to do, Cancelled
 */
export async function installWebgpu({ signal, say, npm = 'npm' }: WebgpuInstallOptions): Promise<string> {
  const folder = webgpuFolder();
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    // npm installs beside the nearest package.json, which is to be this one
    writeFileSync(join(partial, 'package.json'), '{ "private": true }\n');
    say(`npm fetches webgpu ${WEBGPU_VERSION}`);
    await npmInstall(npm, partial, signal);
    const found = webgpuIn(partial);
    if (!found) throw new Problem('npm', `npm left no package webgpu ${WEBGPU_VERSION}.`);
    const binaries = join(partial, 'node_modules', 'webgpu', 'dist');
    keepOwn(binaries);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
    say(`${Math.round(bytesOf(folder) / 1e6)} MB in ${folder}`);
    return folder;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Takes away what installWebgpu set up. False where there was nothing. */
export function removeWebgpu(): boolean {
  const folder = webgpuFolder();
  const there = existsSync(folder);
  for (const place of [folder, `${folder}.partial`]) rmSync(place, { recursive: true, force: true });
  return there;
}

async function npmInstall(npm: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel', 'error'];
  const windows = process.platform === 'win32';
  const args = ['install', ...options, '--prefix', folder, `webgpu@${WEBGPU_VERSION}`];
  // npm is a batch file on Windows, which only a shell starts; of these arguments only the folder is not ours. The shell looks for it in the
  // working folder first, and so does npm for its settings: neither may be somebody's workspace.
  const child = spawn(npm, windows ? args.map((it) => (/^[\w@.-]+$/.test(it) ? it : `"${it}"`)) : args, {
    cwd: folder,
    shell: windows,
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      said = (said + String(data)).slice(-8000);
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (signal?.aborted) reject(new Cancelled());
      else if (error.code === 'ENOENT')
        reject(
          new Problem('npm', 'npm is not found, which fetches the package webgpu: install Node with npm, or use wasm.'),
        );
      else reject(error);
    });
    child.once('close', resolve);
  });
  if (code !== 0) throw new Problem('npm', `npm could not fetch webgpu ${WEBGPU_VERSION}: ${reason(said)}`);
}

/** The first thing npm complains of. Its own lines say where its log is, last. */
function reason(said: string): string {
  const lines = said.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/i, '').trim());
  const told = lines.filter((line) => line !== '' && !/^(code|errno|syscall|A complete log|network )/i.test(line));
  return (told[0] ?? lines[0] ?? 'it said nothing').slice(0, 400);
}

/** The package carries the binaries of five platforms (130 MB); this machine needs its own. */
function keepOwn(binaries: string): void {
  const own = [`${process.platform}-${process.arch}`, `${process.platform}-universal`];
  const names = existsSync(binaries) ? readdirSync(binaries) : [];
  if (!names.some((name) => own.includes(name)))
    throw new Problem('npm', `webgpu ${WEBGPU_VERSION} has no binary for ${own[0]}; use wasm.`);
  for (const name of names) if (!own.includes(name)) rmSync(join(binaries, name), { recursive: true });
}

const bytesOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
