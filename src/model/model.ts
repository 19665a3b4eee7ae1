import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { PackedWeight } from '../tensor/fused';
import type { PanelWeight } from '../tensor/panels';
import type { Activation } from './activation';
import type { ChatTemplate } from './chatTemplate';
import type { Family, LinearRole, NormPlace } from './family';
import type { Packed } from './packed';
import type { Table } from './table';
import type { Tokenizer } from './tokenizer';

/** How rotary frequencies are stretched for texts longer than those of the training (transformers' modeling_rope_utils.py). */
export type RopeScaling =
  | { type: 'linear'; factor: number }
  | { type: 'dynamic'; factor: number; maxPositions: number }
  | {
      type: 'llama3';
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalMaxPositions: number;
    }
  | {
      type: 'yarn';
      factor: number;
      attentionFactor?: number;
      mscale?: number;
      mscaleAllDim?: number;
      betaFast: number;
      betaSlow: number;
      truncate: boolean;
      originalMaxPositions: number;
    }
  | {
      type: 'longrope';
      short: readonly number[];
      long: readonly number[];
      attentionFactor: number;
      originalMaxPositions: number;
    };

export interface Rope {
  theta: number;
  /** How many of a head's numbers are turned, the first ones; the others stay as they are. */
  rotary: number;
  scaling?: RopeScaling;
}

/** Numbers of a decoder, from config.json, and the row of its family. */
export interface DecoderConfig {
  modelType: string;
  family: Family;
  vocabularySize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  maxPositions: number;
  activation: Activation;
  normEpsilon: number;
  /** None where positions are learned. */
  rope?: Rope;
  /** Of the layers with a window, where it is another. */
  windowRope?: Rope;
  /** Attention scores are q k times this. */
  queryScale: number;
  /** Soft caps: cap tanh(x / cap). */
  attentionCap?: number;
  logitCap?: number;
  /** Tokens that a windowed layer's query sees, its own included. */
  window?: number;
  /** Per layer. */
  windowed: readonly boolean[];
  /** Attention and feed-forward both start from the block's input. */
  parallelResidual: boolean;
  tied: boolean;
  attentionBias: boolean;
  mlpBias: boolean;
  bosId?: number;
  eosIds: readonly number[];
}

/** A linear layer. weight [in, out] (transposed where the file has [out, in]), or laid out in panels, or in fewer bits as in the file; bias [out]. */
export interface Linear {
  weight: Tensor2D | PanelWeight | Packed;
  bias?: Tensor1D;
  /** What mergeAdapter cannot add to a weight of fewer bits: x a b scale, computed beside it. */
  beside?: LoraFactors;
}

/** a [in, rank], b [rank, out]; x a b is multiplied by scale. */
export interface LoraFactors {
  a: Tensor2D;
  b: Tensor2D;
  scale: number;
}

export interface Norm {
  weight: Tensor1D;
  bias?: Tensor1D;
}

export interface LayerWeights {
  norms: { readonly [place in NormPlace]?: Norm };
  linear: { readonly [role in LinearRole]?: Linear };
}

/**
 * All weights, in float32 but for what has fewer bits. embedding [V, D]; positions [P, D] where they are learned; head [D, V] (in fewer bits
 * [V, D]), none where it is the embedding's.
 */
export interface Weights {
  embedding: Table;
  positions?: Tensor2D;
  head?: Tensor2D | PanelWeight | PackedWeight;
  norm: Norm;
  layers: readonly LayerWeights[];
}

/** An opened model folder. Owns its tensors: `close` frees them. */
export interface Model {
  folder: string;
  config: DecoderConfig;
  weights: Weights;
  tokenizer: Tokenizer;
  chat: ChatTemplate;
  /** sha256 over the files that make the numbers: config, weights, tokenizer, template. */
  sha256: string;
  close(): void;
}
