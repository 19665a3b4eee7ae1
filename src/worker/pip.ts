import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { Cancelled, Problem } from '../base/problem';

const run = promisify(execFile);

/** The Python to use: the one that was named, else the first of the usual names that runs. @throws Problem `python` */
export async function findPython(named?: string): Promise<string> {
  const names = named === undefined ? ['python3', 'python'] : [named];
  for (const name of names) {
    try {
      await run(name, ['-c', 'import sys; assert sys.version_info >= (3, 9)'], { timeout: 60_000 });
      return name;
    } catch {
      // The next one, or the problem below.
    }
  }
  throw new Problem(
    'python',
    named === undefined
      ? 'Python 3.9 or later is not found, whose pip fetches TensorFlow: install it, name one with --python PATH, or use wasm.'
      : `${named} is no Python 3.9 or later that runs.`,
  );
}

/** What a short Python program prints. @throws Problem `python` */
export async function askPython(python: string, program: string, args: readonly string[] = []): Promise<string> {
  try {
    const { stdout } = await run(python, ['-c', program, ...args], { timeout: 600_000, maxBuffer: 1 << 24 });
    return stdout.trim();
  } catch (error) {
    throw new Problem(
      'python',
      `${python} failed: ${lastLine((error as { stderr?: string }).stderr ?? String(error))}`,
    );
  }
}

/** Downloads one wheel into `folder` with pip's own settings. `onLine`: what pip says. @throws Problem `pip`, Cancelled */
export async function pipDownload(
  python: string,
  requirement: string,
  folder: string,
  { signal, onLine }: { signal?: AbortSignal; onLine: (line: string) => void },
): Promise<void> {
  const options = [
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--progress-bar',
    'off',
    ...BUILT_FOR,
  ];
  const child = spawn(python, ['-m', 'pip', 'download', ...options, '--dest', folder, requirement], {
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    for (const line of String(data).split('\n')) if (line.trim()) onLine(line.trim());
  });
  child.stderr.on('data', (data: Buffer) => {
    said = (said + String(data)).slice(-4000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(signal?.aborted ? new Cancelled() : error));
    child.once('close', resolve);
  });
  if (code === 0) return;
  if (/No module named pip/.test(said))
    throw new Problem('pip', `${python} has no pip: install it, or name another Python with --python PATH.`);
  throw new Problem('pip', `pip could not fetch ${requirement}: ${lastLine(said)}`);
}

/** The library inside is the same for every Python; this is one that all releases in question have wheels for. */
const BUILT_FOR = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'];

const lastLine = (text: string): string => text.trim().split('\n').pop()?.slice(0, 400) ?? '';
