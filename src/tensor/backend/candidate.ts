/** Engines, in the order in which `auto` tries them. */
export const ENGINE_NAMES = ['native', 'webgpu', 'wasm'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** One engine that could have been used: whether it is there, and if it is not used, why not and how to mend it. */
export interface EngineCandidate {
  name: EngineName;
  found: boolean;
  version?: string;
  device?: string;
  /** It works, but not as it could: why, and how to mend it. */
  remark?: string;
  refused?: string;
  mend?: string;
}
