import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { packageRoot } from '../../base/packageRoot';
import { Problem } from '../../base/problem';
import type { EngineCandidate } from './candidate';

/** TensorFlow's own kernels, where a user has one of these packages; the first that works is taken. Never a dependency of ours. */
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const PROBE_SECONDS = 120;

/** A package that was found, and what the probe said of it. */
export interface NativeCandidate extends EngineCandidate {
  /** File that `require` loads. */
  module?: string;
}

export interface NativeOptions {
  /**
   * Folder from which the packages are looked up; default: where Sparring itself is installed. Never the working folder: a package found
   * there would be code that came with somebody's experiment files.
   */
  nativePath?: string;
  threads?: number;
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
    ...(threads === undefined ? {} : { TF_NUM_INTRAOP_THREADS: String(threads) }),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => process.env[name] === undefined));
}

/** Runs the probe in a process of its own: a binary that does not fit can end a process without an error. */
function probe(module: string, threads: number | undefined): Promise<ProbeResult> {
  const env = { ...process.env, ...environment(threads), ELECTRON_RUN_AS_NODE: '1' };
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['-e', PROBE, module],
      { env, timeout: PROBE_SECONDS * 1000 },
      (failure, stdout, stderr) => {
        const line = stdout.trim().split('\n').pop() ?? '';
        if (line.startsWith('{')) return done(JSON.parse(line) as ProbeResult);
        const why = failure?.killed
          ? `it did not answer within ${PROBE_SECONDS} seconds`
          : `its process ended with ${failure?.signal ?? `code ${failure?.code ?? 0}`}`;
        const said = stderr.trim().split('\n').pop();
        done({ error: said ? `${why}: ${said}` : why });
      },
    );
  });
}

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

/** Every package of TensorFlow's bindings that can be found, probed; or one entry that says that there is none. */
export async function probeNative({ nativePath, threads }: NativeOptions): Promise<NativeCandidate[]> {
  const folder = resolve(nativePath ?? packageRoot());
  const candidates: NativeCandidate[] = [];
  for (const name of PACKAGES) {
    let module: string;
    try {
      module = createRequire(join(folder, 'package.json')).resolve(name);
    } catch {
      continue;
    }
    const result = await probe(module, threads);
    const refusal = judge(name, result);
    const version = result.version && `${name} ${result.version}, TensorFlow ${result.tensorFlow ?? 'unknown'}`;
    const device = result.error === undefined ? (result.gpu ? 'GPU (TensorFlow)' : 'CPU (TensorFlow)') : undefined;
    candidates.push({ name: 'native', found: true, module, version: version ?? name, device, ...refusal });
  }
  if (candidates.length > 0) return candidates;
  const refused = `neither ${PACKAGES.join(' nor ')} can be found from ${folder}`;
  const mend = `npm install ${PACKAGES[1]} (or ${PACKAGES[0]}) there, or name the folder that has it with --native-path (in the editor: sparring.nativePath).`;
  return [{ name: 'native', found: false, refused, mend }];
}

/** Loads a package that the probe accepted and makes its backend current. */
export async function startNative(module: string, threads: number | undefined): Promise<{ threads: number }> {
  Object.assign(process.env, environment(threads));
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
