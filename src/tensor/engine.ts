import { Problem } from '../base/problem';
import type { EngineCandidate } from './backend/candidate';
import { type NativeCandidate, probeNative, startNative } from './backend/native';
import { probeWasm, startWasm } from './backend/wasm';
import { mendGradients } from './gradients';

mendGradients();

export type { EngineCandidate };

/** The running engine. `threads` is how many cores it computes on, `candidates` every engine that was looked at before it was taken. */
export interface Engine {
  name: 'native' | 'wasm';
  device: string;
  threads: number;
  candidates: EngineCandidate[];
}

export interface EngineOptions {
  /** A name, or `auto` for the first that works: native, then wasm. */
  engine: 'auto' | 'native' | 'wasm';
  /** Cores to compute on. Results do not depend on it with wasm. */
  threads?: number;
  /** Folder that has TensorFlow's libraries, or its own bindings for Node; default: what `sparring engine install` set up. */
  nativePath?: string;
}

/** What each engine that `options` allow would do, in the order in which they would be taken. Starts none. */
export async function probeEngines(options: EngineOptions): Promise<EngineCandidate[]> {
  const { engine } = options;
  const native = engine === 'wasm' ? [] : await probeNative(options);
  return [...native.map(facts), ...(engine === 'native' ? [] : [probeWasm()])];
}

/**
 * Starts an engine; every TensorFlow.js operation afterwards runs on it. Throws a Problem if a named engine does not work; with `auto`,
 * `candidates` says what was refused and why.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { engine, threads } = options;
  if (engine === 'wasm') {
    const started = await startWasm(threads);
    return { name: 'wasm', ...started, candidates: [probeWasm()] };
  }
  const native = await probeNative(options);
  const usable = native.find(({ module, refused }) => module !== undefined && refused === undefined);
  if (usable?.module !== undefined) {
    const started = await startNative({ ...usable, module: usable.module }, threads);
    return { name: 'native', device: usable.device ?? 'CPU', ...started, candidates: native.map(facts) };
  }
  if (engine === 'native') {
    const reasons = native.map(({ version, refused, mend }) => `${version ? `${version}: ` : ''}${refused}. ${mend}`);
    throw new Problem('engineNative', `The native engine cannot be used: ${reasons.join(' ')}`);
  }
  const started = await startWasm(threads);
  return { name: 'wasm', ...started, candidates: [...native.map(facts), probeWasm()] };
}

function facts({ module: _, libraries: __, ...candidate }: NativeCandidate): EngineCandidate {
  return candidate;
}
