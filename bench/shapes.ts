/** A model shape to measure with, and the rows of one training step with it, in tokens. */
export interface Shape {
  layers: number;
  hiddenSize: number;
  heads: number;
  keyValueHeads: number;
  intermediateSize: number;
  vocabularySize: number;
  rows: {
    /** Adversarial rows: prompt, harmful answer and safe answer. */
    adversarial: { count: number; prompt: number; harmful: number; safe: number };
    utility: { count: number; prompt: number; answer: number };
    /** 64 of them, as a step of GCG evaluates them. */
    candidates: { prompt: number; target: number };
    generate: { count: number; prompt: number; tokens: number };
  };
}

const rows: Shape['rows'] = {
  adversarial: { count: 4, prompt: 40, harmful: 24, safe: 24 },
  utility: { count: 4, prompt: 64, answer: 64 },
  candidates: { prompt: 40, target: 24 },
  generate: { count: 8, prompt: 40, tokens: 64 },
};

const M: Shape = {
  layers: 30,
  hiddenSize: 576,
  heads: 9,
  keyValueHeads: 3,
  intermediateSize: 1536,
  vocabularySize: 49152,
  rows,
};

/** S: small enough that overhead shows. M: SmolLM2-135M's shape. paper: the same with a micro-batch of the paper, 8
 * rows of 256 tokens of which one is attacked. keeper: the model that ships, with the rows of its example. */
export const shapes = {
  S: {
    layers: 6,
    hiddenSize: 384,
    heads: 6,
    keyValueHeads: 2,
    intermediateSize: 1024,
    vocabularySize: 8192,
    rows,
  },
  M,
  paper: {
    ...M,
    rows: {
      ...rows,
      adversarial: { count: 1, prompt: 128, harmful: 128, safe: 64 },
      utility: { count: 7, prompt: 128, answer: 128 },
    },
  },
  keeper: {
    layers: 4,
    hiddenSize: 128,
    heads: 4,
    keyValueHeads: 2,
    intermediateSize: 384,
    vocabularySize: 960,
    rows: {
      adversarial: { count: 8, prompt: 20, harmful: 8, safe: 8 },
      utility: { count: 8, prompt: 16, answer: 8 },
      candidates: { prompt: 20, target: 8 },
      generate: { count: 8, prompt: 20, tokens: 16 },
    },
  },
} satisfies { [name: string]: Shape };

export type ShapeName = keyof typeof shapes;
