import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../../base/problem';
import { runProbe } from '../runProbe';
import { type NativeCandidate, probeAddon, refusal } from './probeAddon';
import { startTensorFlow } from './tensorFlow';
import {
  installedLibraries,
  LIBRARY_NAMES,
  librariesIn,
  NO_WINDOWS_LIBRARY,
  type TensorFlowLibraries,
} from './tensorFlowLibraries';

/** TensorFlow's own bindings, where a user has one of these packages: the second choice. */
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

export interface NativeOptions {
  /**
   * Folder that has TensorFlow's libraries (a Python environment's package tensorflow does), or from which its own bindings are looked up;
   * default: what was set up. Never the working folder: what is found there would be code that came with somebody's experiment files.
   */
  nativePath?: string;
  threads?: number;
  /** Of TensorFlow's devices, such as GPU:1. */
  device?: string;
}

/** What the packages call and Node 23 took away; kept as text too, for the probe's process. */
const UTIL_SHIM = { isNullOrUndefined: (it: unknown) => it === null || it === undefined, isArray: Array.isArray };

/** Loads the package given as argument, multiplies two numbers with it, and says what it is, on the last line of its output. */
const PROBE = `
const util = require('node:util');
util.isNullOrUndefined ??= (it) => it === null || it === undefined;
util.isArray ??= Array.isArray;
try {
  const tf = require(process.argv[1]);
  const [product] = tf.matMul([[3]], [[4]]).dataSync();
  const { binding, isUsingGpuDevice } = tf.backend();
  const facts = { backend: tf.getBackend(), product, tensorFlow: binding.TF_Version, gpu: isUsingGpuDevice };
  console.log('\\n' + JSON.stringify({ ...facts, version: tf.version['tfjs-node'] ?? tf.version_core }));
} catch (error) {
  console.log('\\n' + JSON.stringify({ error: String(error.message ?? error) }));
}
`;

interface ProbeResult {
  error?: string;
  backend?: string;
  product?: number;
  tensorFlow?: string;
  gpu?: boolean;
  version?: string;
}

/** TensorFlow reads these when it is loaded. Only what the user has not set; deterministic kernels, so that a seed means something. */
function environment(threads: number | undefined): { [name: string]: string } {
  const wanted: { [name: string]: string } = {
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_DETERMINISTIC_OPS: '1',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    // Each context has threads of its own: one of ours has a single one per op.
    TF_OVERRIDE_GLOBAL_THREADPOOL: 'true',
    ...(threads === undefined ? {} : { TF_NUM_INTRAOP_THREADS: String(threads) }),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => process.env[name] === undefined));
}

const probe = (script: string, args: readonly string[], threads: number | undefined): Promise<ProbeResult> =>
  runProbe<ProbeResult>(script, args, environment(threads));

/** Why a probe's answer means that the package cannot be used, and what to do about it. */
function judge(name: string, result: ProbeResult): { refused: string; mend: string } | undefined {
  const { error, backend, product, version } = result;
  if (error !== undefined) {
    const refused = error.split('\n')[0]?.trim() ?? error;
    if (/can ?not be found at path|Cannot find module/.test(error))
      return { refused, mend: `Build or fetch its binary: npm rebuild ${name} --build-addon-from-source` };
    if (/shared object|image not found|libcud|dlopen|not a valid Win32/i.test(error))
      return {
        refused,
        mend: 'Install the TensorFlow (and CUDA) libraries it names, or reinstall the package on this machine.',
      };
    return { refused, mend: `Reinstall it for this Node (${process.version}): npm rebuild ${name}` };
  }
  if (backend !== 'tensorflow' || product !== 12)
    return {
      refused: `it computed 3 x 4 = ${product} on the backend ${backend}`,
      mend: `Reinstall it: npm rebuild ${name}`,
    };
  if (!version?.startsWith('4.'))
    return { refused: `its version ${version} does not fit TensorFlow.js 4`, mend: `npm install ${name}@4` };
  return undefined;
}

/**
 * What could be the native engine, probed: our addon with TensorFlow's libraries, those of `nativePath` or those that were set up; or the
 * packages of TensorFlow's own bindings that `nativePath` has. One entry at least, which says that there is none.
 */
export async function probeNative(options: NativeOptions): Promise<NativeCandidate[]> {
  const { nativePath, threads, device } = options;
  const libraries = nativePath === undefined ? installedLibraries() : librariesIn(nativePath);
  if (libraries) return [await probeAddon(libraries, { threads, device, environment: environment(threads) })];
  if (nativePath !== undefined) return probePackages(nativePath, threads);
  return [
    process.platform === 'win32'
      ? refusal(NO_WINDOWS_LIBRARY, 'Use webgpu (sparring engine install --webgpu) or wasm, which is always there.')
      : refusal(
          'TensorFlow is not set up on this machine',
          'sparring engine install fetches it with pip (about 300 MB); --native-path names a folder that has it (in the editor: sparring.nativePath).',
        ),
  ];
}

/** Every package of TensorFlow's own bindings that can be found from `folder`; or one entry that says that there is none. */
async function probePackages(nativePath: string, threads: number | undefined): Promise<NativeCandidate[]> {
  const folder = resolve(nativePath);
  const candidates: NativeCandidate[] = [];
  for (const name of PACKAGES) {
    let module: string;
    try {
      module = createRequire(join(folder, 'package.json')).resolve(name);
    } catch {
      continue;
    }
    const result = await probe(PROBE, [module], threads);
    const wrong = judge(name, result);
    const version = result.version && `${name} ${result.version}, TensorFlow ${result.tensorFlow ?? 'unknown'}`;
    const device = result.error === undefined ? (result.gpu ? 'GPU (TensorFlow)' : 'CPU (TensorFlow)') : undefined;
    candidates.push({ name: 'native', found: true, module, version: version ?? name, device, ...wrong });
  }
  if (candidates.length > 0) return candidates;
  const names = `${LIBRARY_NAMES.join(' and ')}, nor ${PACKAGES.join(' or ')}`;
  return [
    refusal(
      `${folder} has neither ${names}`,
      `Name a folder that has them, or set TensorFlow up with sparring engine install; npm install ${PACKAGES[1]} there gives its own bindings.`,
    ),
  ];
}

/** Loads what the probe accepted and makes its backend current. */
export async function startNative(
  { module, libraries }: { module: string; libraries?: TensorFlowLibraries },
  { threads, device }: NativeOptions,
): Promise<{ threads: number }> {
  Object.assign(process.env, environment(threads));
  if (libraries) return startTensorFlow(module, libraries, threads, device);
  for (const [name, value] of Object.entries(UTIL_SHIM)) if (!(name in util)) Object.assign(util, { [name]: value });
  // the package brings its own copy of tfjs-core, which finds our engine's registries in place and warns about each of them
  const { warn } = console;
  console.warn = () => undefined;
  try {
    createRequire(module)(module);
  } finally {
    console.warn = warn;
  }
  if (!(await tf.setBackend('tensorflow'))) {
    throw new Problem('engineStart', `The native engine in ${module} did not start in this process.`);
  }
  return { threads: threads ?? availableParallelism() };
}
