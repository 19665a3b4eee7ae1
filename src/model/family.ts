import { Problem } from '../base/problem';

/** What one kind of decoder does differently from another. The numbers stand in DecoderConfig; these are the switches. */
export interface Family {
  /** 'rms+1': the file holds the weight minus one (Gemma); weights.ts adds it back when it loads. */
  norm: 'rms' | 'rms+1';
  act: 'silu' | 'gelu';
  /** Feed-forward with a gate: down(act(gate x) * up x). */
  gated: true;
  /** How rotary embedding pairs a head's numbers: first half with second half. */
  rope: 'half';
  /** Biases on q, k and v (not on o) whatever config.json says. */
  qkvBias: boolean;
  /** Further norms after attention and feed-forward. */
  postNorm: boolean;
  /** Embeddings are multiplied by sqrt(D) inside the decoder; a delta lives in the unscaled rows. */
  embedScale: boolean;
  /** tanh soft caps. */
  softcap?: { attention: number; logits: number };
}

const llama: Family = {
  norm: 'rms',
  act: 'silu',
  gated: true,
  rope: 'half',
  qkvBias: false,
  postNorm: false,
  embedScale: false,
};

/** The decoders this project can run, by config.json's `model_type`, never by the model's name. */
export const families = { llama } satisfies { [modelType: string]: Family };

/** @throws Problem `modelType`, naming the supported ones. */
export function familyOf(modelType: string, file: string): Family {
  const found = Object.entries(families).find(([name]) => name === modelType);
  if (found) return found[1];
  throw new Problem(
    'modelType',
    `model_type "${modelType}" is not supported; supported: ${Object.keys(families).join(', ')}. Choose a model folder of that kind.`,
    { file },
  );
}
