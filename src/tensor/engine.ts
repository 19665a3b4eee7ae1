import { Problem } from '../base/problem';
import type { EngineCandidate, EngineName } from './backend/candidate';
import { probeNative, startNative } from './backend/native/native';
import { probeWasm, startWasm } from './backend/wasm/wasm';
import { probeWebgpu, startWebgpu } from './backend/webgpu/webgpu';
import { mendGradients } from './gradients';

mendGradients();

export type { EngineCandidate, EngineName };

/** The running engine. `threads` is how many cores it computes on, `candidates` every engine that was looked at before it was taken. */
export interface Engine {
  name: EngineName;
  device: string;
  threads: number;
  candidates: EngineCandidate[];
}

export interface EngineOptions {
  /** A name, or `auto` for the first that works: native, webgpu where it has a GPU, then wasm. */
  engine: 'auto' | EngineName;
  /** Cores to compute on. Results do not depend on it with wasm; webgpu does not ask. */
  threads?: number;
  /** Folder that has TensorFlow's libraries, or its own bindings for Node; default: what `sparring engine install` set up. */
  nativePath?: string;
  /** Folder that has the npm package `webgpu`; default: what `sparring engine install --webgpu` set up. */
  webgpuPath?: string;
  /** Of several devices of TensorFlow's, the one to compute on, such as GPU:1; default: the first GPU, else the processor. */
  device?: string;
}

/** What each engine that `options` allow would do, in the order in which they would be taken. Starts none. */
export async function probeEngines(options: EngineOptions): Promise<EngineCandidate[]> {
  const allowed = (name: EngineName) => options.engine === 'auto' || options.engine === name;
  return [
    ...(allowed('native') ? (await probeNative(options)).map(facts) : []),
    ...(allowed('webgpu') ? [facts(await probeWebgpu(options, options.engine === 'webgpu'))] : []),
    ...(allowed('wasm') ? [probeWasm()] : []),
  ];
}

/**
 * Starts an engine; every TensorFlow.js operation afterwards runs on it. Throws a Problem if a named engine does not work; with `auto`,
 * `candidates` says what was refused and why.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { engine, threads } = options;
  const candidates: EngineCandidate[] = [];
  if (engine === 'auto' || engine === 'native') {
    const native = await probeNative(options);
    candidates.push(...native.map(facts));
    const usable = native.find(({ module, refused }) => module !== undefined && refused === undefined);
    if (usable?.module !== undefined) {
      const started = await startNative({ ...usable, module: usable.module }, options);
      return { name: 'native', device: usable.device ?? 'CPU', ...started, candidates };
    }
    if (engine === 'native') throw unusable('engineNative', candidates);
  }
  if (engine === 'auto' || engine === 'webgpu') {
    const webgpu = await probeWebgpu(options, engine === 'webgpu');
    candidates.push(facts(webgpu));
    if (webgpu.module !== undefined && webgpu.refused === undefined) {
      const started = await startWebgpu(webgpu.module);
      return { name: 'webgpu', device: webgpu.device ?? 'GPU', ...started, candidates };
    }
    if (engine === 'webgpu') throw unusable('engineWebgpu', candidates);
  }
  const started = await startWasm(threads);
  return { name: 'wasm', ...started, candidates: [...candidates, probeWasm()] };
}

function unusable(code: string, candidates: readonly EngineCandidate[]): Problem {
  const reasons = candidates.map(({ version, refused, mend }) => `${version ? `${version}: ` : ''}${refused}. ${mend}`);
  return new Problem(code, `The ${candidates[0]?.name} engine cannot be used: ${reasons.join(' ')}`);
}

function facts({ name, found, version, device, remark, refused, mend }: EngineCandidate): EngineCandidate {
  const known = { version, device, remark, refused, mend };
  return { name, found, ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) };
}
