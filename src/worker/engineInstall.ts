import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { sha256File } from '../base/files';
import { Problem } from '../base/problem';
import {
  engineFolder,
  LIBRARY_NAMES,
  librariesIn,
  MANIFEST,
  NO_WINDOWS_LIBRARY,
} from '../tensor/backend/native/tensorFlowLibraries';
import { askPython, findPython, pipDownload } from './pip';

export interface InstallOptions {
  /** Default: the newest that the addon was tried with. */
  tensorflow?: string;
  /** A Python whose pip fetches TensorFlow, or one that has it already, which is then used where it is. */
  python?: string;
  /** TensorFlow with CUDA, and NVIDIA's libraries. */
  cuda?: boolean;
  signal?: AbortSignal;
  say: (line: string) => void;
}

/** What tensorflow.json says. */
interface Manifest {
  /** Where the libraries are: inside the engine's folder, or in somebody's Python. */
  folder: string;
  version: string;
  /** Of libraries that were downloaded, by their paths in the folder. */
  sha256?: { [name: string]: string };
}

const NEWEST = '2.21.0';
const PLACE = 'libraries';

/** Prints where Python has the package tensorflow, without loading it; nothing where it has none. */
const WHERE = `
import importlib.util, importlib.metadata
spec = importlib.util.find_spec('tensorflow')
if spec and spec.submodule_search_locations:
    names = ('tensorflow', 'tensorflow-cpu')
    def version(name):
        try: return importlib.metadata.version(name)
        except Exception: return None
    print(spec.submodule_search_locations[0]); print(next((v for v in map(version, names) if v), 'unknown'))
`;
/**
 * Takes what a pattern matches out of a wheel, into a folder, and prints what the wheel requires for CUDA; zipfile checks each file's
 * checksum.
 */
const EXTRACT = `
import sys, zipfile, shutil, os, re
wheel, folder, pattern = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if re.fullmatch(pattern, name):
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(name) as source, open(path, 'wb') as target: shutil.copyfileobj(source, target, 1 << 24)
        if name.endswith('.dist-info/METADATA'):
            for line in archive.read(name).decode().splitlines():
                if line.startswith('Requires-Dist: nvidia-') and 'and-cuda' in line: print(line)
`;
const TENSORFLOW = `tensorflow/(${LIBRARY_NAMES.map((name) => name.replaceAll('.', '\\.')).join('|')})`;
/** As the wheels lay them out: TensorFlow's libraries look for them there, seen from where they are themselves. */
const NVIDIA = 'nvidia/\\w+/lib/[\\w.-]+\\.so[.\\d]*';

/** What the wheel's extra `and-cuda` asks for, as pip takes it, without the compiler, which only XLA needs. */
export function cudaRequirements(lines: string): string[] {
  return [...lines.matchAll(/^Requires-Dist: (nvidia-[\w-]+)\s*\(?([^;)]*)/gm)]
    .filter(([, name]) => !name?.includes('-nvcc-'))
    .map(([, name, versions = '']) => `${name}${versions.replaceAll(' ', '')}`);
}

/**
 * Sets up TensorFlow's C library for the native engine, in the user's own folder. Resolves to what stands there.
 * @throws Problem with what is missing and what to do, Cancelled
 */
export async function installEngine(options: InstallOptions): Promise<Manifest> {
  if (process.platform === 'win32')
    throw new Problem(
      'noTensorFlow',
      `${NO_WINDOWS_LIBRARY}. Use webgpu (sparring engine install --webgpu), wasm, or Sparring under WSL.`,
    );
  if (options.cuda && !(process.platform === 'linux' && process.arch === 'x64'))
    throw new Problem('noCuda', 'TensorFlow has CUDA under Linux on x64 only, WSL included: leave out --cuda.');
  const { say } = options;
  const python = await findPython(options.python);
  const folder = engineFolder();
  mkdirSync(folder, { recursive: true });
  if (options.python !== undefined && options.tensorflow === undefined) {
    const [place, version = 'unknown'] = (await askPython(python, WHERE)).split('\n');
    const found = place ? librariesIn(place) : undefined;
    if (place && found) {
      say(`TensorFlow ${version} of ${python} is used where it is: ${resolve(place)}`);
      if (options.cuda && found.cuda.length === 0)
        say(
          "It has no CUDA libraries beside it (pip install 'tensorflow[and-cuda]' brings them): those of the system are used.",
        );
      return write(folder, { folder: resolve(place), version });
    }
    say(`${python} has no TensorFlow; its pip fetches it`);
  }
  return download(folder, python, options);
}

async function download(
  folder: string,
  python: string,
  { tensorflow = NEWEST, cuda = false, signal, say }: InstallOptions,
): Promise<Manifest> {
  // The wheel without CUDA is smaller, where there is one.
  const name = process.platform === 'linux' && process.arch === 'x64' && !cuda ? 'tensorflow-cpu' : 'tensorflow';
  const partial = join(folder, 'partial');
  /** One wheel after the other, so that only one of them takes room beside what is kept. Resolves to what it requires for CUDA. */
  const take = async (requirement: string, pattern: string): Promise<string> => {
    say(`pip downloads ${requirement}`);
    await pipDownload(python, requirement, partial, { signal, onLine: say });
    const wheel = readdirSync(partial).find((file) => file.endsWith('.whl'));
    if (!wheel) throw new Problem('pip', `pip left no wheel of ${requirement}.`);
    const printed = await askPython(python, EXTRACT, [join(partial, wheel), partial, pattern]);
    rmSync(join(partial, wheel));
    return printed;
  };
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const requires = await take(`${name}==${tensorflow}`, TENSORFLOW);
    if (!librariesIn(partial))
      throw new Problem('pip', `The wheel of ${name} ${tensorflow} has no ${LIBRARY_NAMES.join(' and ')}.`);
    if (cuda) {
      const wanted = cudaRequirements(requires);
      if (wanted.length === 0)
        throw new Problem('noCuda', `TensorFlow ${tensorflow} names no wheels of CUDA: take 2.15.0 or later.`);
      for (const requirement of wanted) await take(requirement, NVIDIA);
    }
    const sha256: { [name: string]: string } = {};
    let bytes = 0;
    for (const file of filesIn(partial)) {
      sha256[file] = await sha256File(join(partial, file));
      bytes += statSync(join(partial, file)).size;
    }
    rmSync(join(folder, PLACE), { recursive: true, force: true });
    renameSync(partial, join(folder, PLACE));
    say(`${Math.round(bytes / 1e6)} MB in ${join(folder, PLACE)}`);
    return write(folder, { folder: PLACE, version: tensorflow, sha256 });
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Paths of all files in a folder, from it. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

function write(folder: string, manifest: Manifest): Manifest {
  // A download of before is not kept beside an environment that is used instead.
  if (manifest.folder !== PLACE) rmSync(join(folder, PLACE), { recursive: true, force: true });
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** Takes away what installEngine set up; an environment that was only pointed at stays. False where there was nothing. */
export function removeEngine(): boolean {
  const folder = engineFolder();
  const there = existsSync(join(folder, MANIFEST));
  for (const name of [MANIFEST, PLACE, 'partial']) rmSync(join(folder, name), { recursive: true, force: true });
  return there;
}

/** Names of downloaded libraries that are no longer what they were when they were downloaded. */
export async function changedLibraries(): Promise<string[]> {
  const folder = engineFolder();
  if (!existsSync(join(folder, MANIFEST))) return [];
  const { sha256 = {} } = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as Manifest;
  const changed: string[] = [];
  for (const [name, hash] of Object.entries(sha256)) {
    const path = join(folder, PLACE, name);
    if (!existsSync(path) || (await sha256File(path)) !== hash) changed.push(name);
  }
  return changed;
}
