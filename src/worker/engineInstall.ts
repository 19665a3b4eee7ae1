import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sha256File } from '../base/files';
import { Problem } from '../base/problem';
import {
  engineFolder,
  LIBRARY_NAMES,
  librariesIn,
  MANIFEST,
  NO_WINDOWS_LIBRARY,
} from '../tensor/backend/tensorFlowLibraries';
import { askPython, findPython, pipDownload } from './pip';

export interface InstallOptions {
  /** Default: the newest that the addon was tried with. */
  tensorflow?: string;
  /** A Python whose pip fetches TensorFlow, or one that has it already, which is then used where it is. */
  python?: string;
  signal?: AbortSignal;
  say: (line: string) => void;
}

/** What tensorflow.json says. */
interface Manifest {
  /** Where the libraries are: inside the engine's folder, or in somebody's Python. */
  folder: string;
  version: string;
  /** Of libraries that were downloaded. */
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
/** Takes the libraries named after the wheel and the folder out of the wheel; zipfile checks each one's checksum. */
const EXTRACT = `
import sys, zipfile, shutil, os
wheel, folder, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in names:
        with archive.open('tensorflow/' + name) as source, open(os.path.join(folder, name), 'wb') as target:
            shutil.copyfileobj(source, target, 1 << 24)
`;

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
  const { say } = options;
  const python = await findPython(options.python);
  const folder = engineFolder();
  mkdirSync(folder, { recursive: true });
  if (options.python !== undefined && options.tensorflow === undefined) {
    const [place, version = 'unknown'] = (await askPython(python, WHERE)).split('\n');
    if (place && librariesIn(place)) {
      say(`TensorFlow ${version} of ${python} is used where it is: ${resolve(place)}`);
      return write(folder, { folder: resolve(place), version });
    }
    say(`${python} has no TensorFlow; its pip fetches it`);
  }
  return download(folder, python, options);
}

async function download(
  folder: string,
  python: string,
  { tensorflow = NEWEST, signal, say }: InstallOptions,
): Promise<Manifest> {
  // The wheel without CUDA is smaller, where there is one.
  const name = process.platform === 'linux' && process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';
  const partial = join(folder, 'partial');
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    say(`pip downloads ${name} ${tensorflow}`);
    await pipDownload(python, `${name}==${tensorflow}`, partial, { signal, onLine: say });
    const wheel = readdirSync(partial).find((file) => file.endsWith('.whl'));
    if (!wheel) throw new Problem('pip', `pip left no wheel of ${name} ${tensorflow}.`);
    say(`taking ${LIBRARY_NAMES.join(' and ')} out of it`);
    await askPython(python, EXTRACT, [join(partial, wheel), partial, ...LIBRARY_NAMES]);
    rmSync(join(partial, wheel));
    const sha256: { [name: string]: string } = {};
    for (const library of LIBRARY_NAMES) sha256[library] = await sha256File(join(partial, library));
    rmSync(join(folder, PLACE), { recursive: true, force: true });
    renameSync(partial, join(folder, PLACE));
    const megabytes =
      LIBRARY_NAMES.reduce((sum, library) => sum + statSync(join(folder, PLACE, library)).size, 0) / 1e6;
    say(`${Math.round(megabytes)} MB in ${join(folder, PLACE)}`);
    return write(folder, { folder: PLACE, version: tensorflow, sha256 });
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

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
