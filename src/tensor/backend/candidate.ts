/** One engine that could have been used: whether it is there, and if it is not used, why not and how to mend it. */
export interface EngineCandidate {
  name: 'native' | 'wasm';
  found: boolean;
  version?: string;
  device?: string;
  refused?: string;
  mend?: string;
}
