import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { startWasm } from './backend/wasm';

/** One engine that could have been used: whether it is there, and if not used, why not and how to mend it. */
export interface EngineCandidate {
  name: 'native' | 'wasm';
  found: boolean;
  version?: string;
  device?: string;
  refused?: string;
  mend?: string;
}

/** The running engine. `threads` is how many cores it computes on. */
export interface Engine {
  name: 'native' | 'wasm';
  device: string;
  threads: number;
  candidates: EngineCandidate[];
}

/** `engine`: a name, or `auto` for the first that works. `threads`: cores to compute on, where the engine lets us choose. */
export interface EngineOptions {
  engine: 'auto' | 'native' | 'wasm';
  threads?: number;
}

/** Starts the engine; every TensorFlow.js operation afterwards runs on it. Throws a Problem if a named engine does not work. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { device, threads } = await startWasm(options.threads);
  return { name: 'wasm', device, threads, candidates: [{ name: 'wasm', found: true, device }] };
}
