import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { ChatTemplate } from './chatTemplate';
import type { Family } from './family';
import type { Tokenizer } from './tokenizer';

/** Numbers of a decoder, from config.json. */
export interface DecoderConfig {
  modelType: string;
  vocabularySize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  maxPositions: number;
  normEpsilon: number;
  ropeTheta: number;
  /** `llama3` scaling, where config.json has it. */
  ropeScaling?: {
    factor: number;
    lowFrequencyFactor: number;
    highFrequencyFactor: number;
    originalMaxPositions: number;
  };
  tied: boolean;
  attentionBias: boolean;
  mlpBias: boolean;
  bosId?: number;
  eosIds: readonly number[];
}

/** A linear layer. weight [in, out] (transposed from the file's [out, in]), bias [out]. */
export interface Linear {
  weight: Tensor2D;
  bias?: Tensor1D;
}

/** The linear layers LoRA may adapt, by their names in the files. */
export const LINEAR_NAMES = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type LinearName = (typeof LINEAR_NAMES)[number];

export interface LayerWeights {
  inputNorm: Tensor1D;
  postNorm: Tensor1D;
  linear: { readonly [name in LinearName]: Linear };
}

/** All weights in float32. The embedding is [V, D]; the head is the transposed embedding [D, V] where tied, else its own. */
export interface Weights {
  embedding: Tensor2D;
  head: Tensor2D;
  norm: Tensor1D;
  layers: readonly LayerWeights[];
}

/** An opened model folder. Owns its tensors: `close` frees them. */
export interface Model {
  folder: string;
  config: DecoderConfig;
  family: Family;
  weights: Weights;
  tokenizer: Tokenizer;
  chat: ChatTemplate;
  /** sha256 over the files that make the numbers: config, weights, tokenizer, template. */
  sha256: string;
  close(): void;
}
