import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** TensorFlow's C library on this machine. */
export interface TensorFlowLibraries {
  /** In the order in which they are loaded. */
  libraries: readonly string[];
  /** CUDA's libraries that stand beside the package tensorflow, in the order in which they are loaded; without CUDA none. */
  cuda: readonly string[];
  /** Where they come from, for people. */
  source: string;
}

/** File names of TensorFlow's two libraries, where its wheels have them. Windows' wheel has none with a C API. */
export const LIBRARY_NAMES: readonly string[] =
  process.platform === 'darwin'
    ? ['libtensorflow_framework.2.dylib', 'libtensorflow_cc.2.dylib']
    : ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2'];

/** Why the native engine is not offered on Windows. */
export const NO_WINDOWS_LIBRARY = "TensorFlow's wheel for Windows has no usable C library";

/** Names the libraries that `sparring engine install` set up, in the engine's folder. */
export const MANIFEST = 'tensorflow.json';

/** The user's own folder for engines: SPARRING_HOME, else the system's place for an application's data. */
export function engineFolder(env: { readonly [name: string]: string | undefined } = process.env): string {
  if (env['SPARRING_HOME']) return join(env['SPARRING_HOME'], 'engine');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'sparring', 'engine');
  if (process.platform === 'win32') return join(env['LOCALAPPDATA'] ?? homedir(), 'sparring', 'engine');
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'sparring', 'engine');
}

/** The libraries in a folder, or in the package tensorflow inside it; undefined where they are not there. */
export function librariesIn(folder: string): TensorFlowLibraries | undefined {
  for (const place of [folder, join(folder, 'tensorflow')]) {
    const libraries = LIBRARY_NAMES.map((name) => join(resolve(place), name));
    if (libraries.every((path) => existsSync(path)))
      return { libraries, cuda: cudaLibraries(resolve(place, '..', 'nvidia')), source: resolve(place) };
  }
  return undefined;
}

/** What TensorFlow asks of CUDA by name; each after those it needs itself. cuDNN loads its other parts from its own folder. */
const CUDA_NAMES = [
  'cudart',
  'nvJitLink',
  'cublasLt',
  'cublas',
  'cusparse',
  'cusolver',
  'cufft',
  'curand',
  'cupti',
  'cudnn',
  'nccl',
];

/** The libraries in the folder `nvidia` of a Python environment, as NVIDIA's wheels lay them out: nvidia/PART/lib/libNAME.so.NUMBER. */
function cudaLibraries(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const found = new Map<string, string>();
  for (const part of readdirSync(folder).sort()) {
    const place = join(folder, part, 'lib');
    for (const file of existsSync(place) ? readdirSync(place) : []) {
      const name = /^lib(\w+)\.so\.\d+$/.exec(file)?.[1];
      if (name) found.set(name, join(place, file));
    }
  }
  return CUDA_NAMES.flatMap((name) => found.get(name) ?? []);
}

/** What `sparring engine install` set up; undefined where it did not. */
export function installedLibraries(folder = engineFolder()): TensorFlowLibraries | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as { folder?: unknown };
    if (typeof manifest.folder === 'string') return librariesIn(resolve(folder, manifest.folder));
  } catch {
    // Nothing was installed, or it was removed by hand.
  }
  return undefined;
}
