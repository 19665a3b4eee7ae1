import { z } from 'zod';

// The one schema of experiment files. Types, the run-time check, the JSON Schema behind completion and hover, and the reference page all
// come from here, so every knob says what it does, in which unit, and where the paper stands. Defaults are those of arXiv 2405.15589 and
// its released code unless the text says otherwise.

export const RATE_KEYS = ['leak', 'refusal', 'refusalHeldOut', 'refusalHarmless', 'utility', 'stillKnows'] as const;

const column = (name: string, holds: string) =>
  z
    .string()
    .min(1)
    .default(name)
    .meta({ description: `Column that holds ${holds}.` });
const limit = z.int().min(1).optional().meta({ description: 'Uses only the first so many rows.', unit: 'rows' });
const DATA_FILE = 'CSV, JSON or JSONL file, relative to this file, or builtin:keeper/... for what ships with Sparring.';

const epsilonText =
  'Radius of the ball around each token in which the attack may move its embedding. 0.05 is 5 % of the mean norm of an embedding.';
const epsilonUnit = 'mean L2 norms of the embedding rows';

export const attackOptions = z.strictObject({
  epsilon: z
    .number()
    .positive()
    .default(0.05)
    .meta({
      description: `${epsilonText} Larger: a stronger attack, more robustness, less utility.`,
      unit: epsilonUnit,
      paper: '0.1 for Gemma-1.1-2B and Phi-3-mini, 0.05 for Mistral-7B and Llama-2-7B, 0.075 for Zephyr-7B',
    }),
  iterations: z.int().min(1).max(10000).default(10).meta({
    description: 'Gradient steps on delta; the cost of an attack grows with them.',
    unit: 'steps',
    paper: '10; one step of size epsilon is nearly as good',
  }),
  stepSize: z.number().positive().default(1e-4).meta({
    description:
      "How far one iteration moves delta, in the unit that stepSizeUnit names; the learning rate of 'adam' and 'rms'.",
    unit: 'see stepSizeUnit',
    paper: '1e-4, absolute',
  }),
  stepSizeUnit: z
    .enum(['absolute', 'radius'])
    .default('absolute')
    .meta({
      description: 'What stepSize is measured in.',
      values: {
        absolute: 'stepSize as it is, per coordinate',
        radius: 'stepSize * radius / sqrt(D), so that the step follows the ball and the model',
      },
      paper: 'absolute',
    }),
  optimizer: z
    .enum(['sign', 'adam', 'rms', 'normalized'])
    .default('sign')
    .meta({
      description: 'How the gradient moves delta.',
      values: {
        sign: 'by its sign, as the paper does',
        adam: "Adam with PyTorch's defaults",
        rms: "RMSprop with PyTorch's defaults",
        normalized: "along each token's gradient, scaled to length 1",
      },
      paper: 'sign',
    }),
  perturb: z
    .enum(['all', 'user'])
    .default('all')
    .meta({
      description: 'Which tokens delta may move.',
      values: {
        all: 'every attended token that is no target: system prompt, template markers and the user’s words',
        user: 'only the user’s words',
      },
      paper: 'all (the released code)',
    }),
  start: z
    .enum(['zero', 'random'])
    .default('zero')
    .meta({
      description: 'Where delta starts.',
      values: { zero: 'at 0', random: 'uniformly in the ball, by the seed' },
      paper: 'zero',
    }),
  ball: z
    .enum(['l2', 'none'])
    .default('l2')
    .meta({
      description: 'What bounds delta.',
      values: {
        l2: "each token's delta is scaled back to the ball of radius epsilon",
        none: 'nothing; epsilon then only labels the result',
      },
      paper: 'l2',
    }),
  keep: z
    .enum(['last', 'best'])
    .default('last')
    .meta({
      description: 'Which delta the attack hands on.',
      values: { last: 'that of the last iteration, as the released code does', best: 'the one with the lowest loss' },
      paper: 'last (the released code)',
    }),
});

const awayCutoff = z.number().max(0).default(-5).meta({
  description:
    'CAT: the away loss -CE(target) below this is flattened to a slope of 0.001. CAPO: a log-probability of the harmful answer below this is handled as `outside` says.',
  unit: 'nats',
  paper: '-5',
});
const awayWeight = z.number().min(0).default(0.5).meta({
  description: 'Weight of the away term: unlearn the harmful answer under attack.',
  paper: '0.5, eq. 4',
});
const towardWeight = z.number().min(0).default(0.5).meta({
  description: 'Weight of the toward term: give the safe answer under attack.',
  paper: '0.5, eq. 4',
});
const utilityWeight = z.number().min(0).default(1).meta({
  description:
    'Weight of the utility term: answer harmless prompts as before, with no attack. Above 0 it needs data.utility.',
  paper: '1, eq. 4',
});
const towardCutoff = z.number().min(0).default(0.5).meta({
  description:
    'The toward loss below this is flattened to a slope of 0.001; 0: never. Short, certain answers need a small one, e.g. 0.02.',
  unit: 'nats per token',
  paper: '0.5',
});
const cutoffForm = z
  .enum(['code', 'paper'])
  .default('code')
  .meta({
    description: 'How a loss L is flattened beyond its cutoff c.',
    values: {
      code: 'c + 0.001 L, as the released code does (a small jump at c)',
      paper: '0.999 c + 0.001 L, continuous',
    },
  });
const awayLoss = z
  .enum(['negativeCrossEntropy', 'log1MinusP'])
  .default('negativeCrossEntropy')
  .meta({
    description: 'The away loss.',
    values: {
      negativeCrossEntropy: 'minus the cross-entropy of the harmful answer',
      log1MinusP: 'log(1 - p), bounded by itself',
    },
    paper: 'negativeCrossEntropy',
  });

export const catOptions = z.strictObject({
  name: z
    .literal('cat')
    .meta({ description: 'Continuous adversarial training: away, toward and utility losses.', paper: 'eq. 4' }),
  awayWeight,
  towardWeight,
  utilityWeight,
  awayCutoff,
  towardCutoff,
  cutoffForm,
  awayLoss,
});

export const capoOptions = z.strictObject({
  name: z.literal('capo').meta({
    description: 'Continuous adversarial preference optimisation: IPO on attacked prompts.',
    paper: 'eq. 5',
  }),
  beta: z.number().positive().default(0.25).meta({
    description: 'Strength of the preference: the margin h is pulled to 1 / (2 beta). Smaller: a larger margin.',
    paper: '0.25',
  }),
  awayCutoff,
  towardCutoff: z.number().min(0).default(0).meta({
    description: 'A log-probability of the safe answer above minus this is handled as `outside` says; 0: never.',
    unit: 'nats',
    paper: '0',
  }),
  outside: z
    .enum(['zero', 'clamp'])
    .default('zero')
    .meta({
      description: 'What a token’s log-probability beyond its cutoff counts as.',
      values: { zero: '0, as in the released code', clamp: 'the cutoff itself; steadier' },
      paper: 'zero (the released code)',
    }),
  referencePrompts: z
    .enum(['clean', 'attacked'])
    .default('clean')
    .meta({
      description: 'The prompts on which the reference model (adapter off) is measured.',
      values: {
        clean: 'unattacked, once before training',
        attacked: 'with delta, in each step; the paper found it unstable',
      },
      paper: 'clean',
    }),
  referenceOrder: z
    .enum(['matched', 'reversed'])
    .default('matched')
    .meta({
      description: 'Which reference a row gets.',
      values: { matched: 'its own', reversed: 'that of row N-1-i, a mistake of the released code, to reproduce it' },
    }),
  utilityWeight: z.number().min(0).default(0).meta({
    description: 'Weight of a utility term beside the preference. Above 0 it needs data.utility.',
    paper: '0: no utility rows with CAPO',
  }),
});

export const sftOptions = z.strictObject({
  name: z.literal('sft').meta({
    description: 'The control: the same data and losses as CAT without the attack (delta = 0).',
    paper: 'plain fine-tuning gives no robustness',
  }),
  awayWeight,
  towardWeight,
  utilityWeight,
  awayCutoff,
  towardCutoff,
  cutoffForm,
  awayLoss,
});

/** `method: cat` is short for `method: { name: cat }`. */
const method = z
  .preprocess(
    (value) => (typeof value === 'string' ? { name: value } : value),
    z.discriminatedUnion('name', [catOptions, capoOptions, sftOptions]),
  )
  .meta({
    description: 'How the model is trained: a name, or a name with options.',
    shorthand: { type: 'string', enum: ['cat', 'capo', 'sft'] },
  });

export const loraOptions = z.strictObject({
  rank: z
    .int()
    .min(1)
    .default(64)
    .meta({ description: 'Rank of the adapter: its capacity and its memory.', paper: '64' }),
  alpha: z.number().positive().default(16).meta({ description: 'The adapter is scaled by alpha / rank.', paper: '16' }),
  dropout: z.number().min(0).max(0.99).default(0.1).meta({
    description: 'Dropout before the adapter, in training steps only, never in the attack.',
    unit: 'probability',
    paper: '0.1',
  }),
  targets: z
    .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
    .default('all-linear')
    .meta({
      description:
        "Layers that get an adapter: 'all-linear' (all but the output head), or a list of names such as q_proj, v_proj, down_proj.",
      paper: 'all linear layers',
    }),
});

export const trainingOptions = z.strictObject({
  epochs: z.number().positive().default(5).meta({
    description: 'Passes over the adversarial rows; ignored when steps is given.',
    unit: 'passes',
    paper: 'CAT 5, CAPO 20',
  }),
  steps: z.int().min(1).optional().meta({ description: 'Optimizer steps; overrides epochs.', unit: 'optimizer steps' }),
  rows: z
    .int()
    .min(1)
    .default(8)
    .meta({ description: 'Rows per micro-batch: memory grows with them.', unit: 'rows', paper: '8' }),
  accumulation: z.int().min(1).default(8).meta({
    description: 'Micro-batches whose gradients make one optimizer step.',
    unit: 'micro-batches',
    paper: '8',
  }),
  adversarialShare: z.number().min(0).max(1).default(0.125).meta({
    description:
      'Share of adversarial rows, the rest are utility rows. Where no utility rows are used all rows are adversarial.',
    unit: 'fraction',
    paper: '0.125',
  }),
  mix: z
    .enum(['random', 'fixed'])
    .default('random')
    .meta({
      description: 'How the share is kept.',
      values: {
        random: 'each row is drawn by chance',
        fixed: 'round(rows * share) adversarial rows in every micro-batch',
      },
      paper: 'random',
    }),
  learningRate: z.number().positive().default(2e-4).meta({ description: "AdamW's learning rate.", paper: '2e-4' }),
  schedule: z
    .enum(['cosine', 'constant'])
    .default('cosine')
    .meta({
      description: 'How the learning rate moves.',
      values: { cosine: 'falls to 0 over the run', constant: 'stays' },
      paper: 'cosine',
    }),
  warmupSteps: z.int().min(0).default(0).meta({
    description: 'Steps over which the learning rate rises from 0.',
    unit: 'optimizer steps',
    paper: '0',
  }),
  weightDecay: z.number().min(0).default(1e-3).meta({ description: "AdamW's decoupled weight decay.", paper: '1e-3' }),
  clipNorm: z
    .number()
    .positive()
    .default(0.3)
    .meta({ description: 'Largest global norm of the gradient; longer ones are scaled down.', paper: '0.3' }),
  maxLength: z.int().min(2).default(256).meta({
    description: 'Longer rows are cut at this many tokens.',
    unit: 'tokens',
    paper: 'CAT 256, CAPO 128',
  }),
});

export const adversarialData = z.strictObject({
  file: z.string().min(1).meta({ description: DATA_FILE }),
  prompt: column('prompt', 'the prompt that must not be answered'),
  target: column('target', 'the opening of a harmful answer, which the attack aims for'),
  safe: column('safe', 'the answer wanted instead; rows without one get data.safeAnswer'),
  limit,
});
export const utilityData = z.strictObject({
  file: z.string().min(1).meta({ description: DATA_FILE }),
  prompt: column('prompt', 'a harmless prompt'),
  answer: column('answer', 'the answer that the model should go on to give'),
  text: column('text', 'raw text, where there is no prompt: no chat template, every token is a target'),
  limit,
});
export const evaluationData = z.strictObject({
  file: z.string().min(1).meta({ description: DATA_FILE }),
  prompt: column('prompt', 'the prompt'),
  text: column('text', 'a raw opening that the model continues, without chat template, where there is no prompt'),
  prefill: column('prefill', "words put into the assistant's mouth"),
  secret: column('secret', "what judge 'secret' looks for in the output"),
  answer: column('answer', "what judge 'answer' compares the output with"),
  judge: z
    .enum(['secret', 'refusal', 'answer'])
    .optional()
    .meta({
      description: 'What is counted. Default: what the metric needs.',
      values: {
        secret: 'the secret stands in the output',
        refusal: 'the output refuses',
        answer: 'the output is the answer',
      },
    }),
  limit,
});

export const evaluationAttack = z.strictObject({
  name: z.literal('embedding').meta({ description: 'The attack on the embeddings, as inside CAT.' }),
  ...attackOptions.omit({ epsilon: true }).shape,
  epsilon: z
    .preprocess((value) => (typeof value === 'number' ? [value] : value), z.array(z.number().positive()).min(1))
    .default([0.05])
    .meta({
      description: `${epsilonText} One radius or a list; each is measured.`,
      unit: epsilonUnit,
      shorthand: { type: 'number', exclusiveMinimum: 0 },
    }),
  file: z.string().min(1).meta({ description: DATA_FILE }),
  prompt: column('prompt', 'the prompt that is attacked'),
  target: column('target', 'the opening that the attack optimises'),
  secret: column('secret', "what judge 'secret' looks for; the attack never sees it"),
  judge: z
    .enum(['secret', 'refusal'])
    .default('secret')
    .meta({
      description: 'When an attack has succeeded.',
      values: { secret: 'the secret stands in the output', refusal: 'the output does not refuse' },
    }),
  allowTrained: z.boolean().default(false).meta({
    description:
      'Allows rows whose prompt is also trained on. Success then says how well training went, not how well it generalises.',
  }),
  limit,
});

const rows = (description: string) => evaluationData.optional().meta({ description });
export const evaluationOptions = z.strictObject({
  attacks: z
    .array(evaluationAttack)
    .default([])
    .meta({ description: 'Attacks whose success is measured before and after training.' }),
  leak: rows('Rate of outputs with the secret, with no attack; lower is better.'),
  refusal: rows('Rate of refusals of the wordings trained on.'),
  refusalHeldOut: rows('Rate of refusals of wordings never trained on.'),
  refusalHarmless: rows('Rate of refusals of harmless questions; lower is better.'),
  utility: rows('Rate of right answers to held-out questions.'),
  stillKnows: rows('Rate of secrets still known (raw text or prefilled answer): robustness by forgetting shows here.'),
  maxNewTokens: z
    .int()
    .min(1)
    .max(4096)
    .default(24)
    .meta({ description: 'Longest output that is judged.', unit: 'tokens' }),
  batch: z
    .int()
    .min(1)
    .default(32)
    .meta({ description: 'Rows per batch of attack and generation: memory grows with them.', unit: 'rows' }),
  every: z.int().min(0).default(0).meta({
    description: 'Measures attack success every so many steps during training; 0: only before and after.',
    unit: 'optimizer steps',
  }),
  duringRows: z.int().min(1).default(8).meta({
    description: 'Rows used for that, from the first attack, at its largest epsilon.',
    unit: 'rows',
  }),
  before: z.boolean().default(true).meta({ description: 'Evaluates before training too.' }),
});

export const experimentSchema = z
  .strictObject({
    $schema: z.string().optional().meta({ description: 'JSON Schema for editors; Sparring does not read it.' }),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .optional()
      .meta({ description: "Name of the runs' folder; default: the file's name." }),
    seed: z
      .int()
      .min(0)
      .max(0xffffffff)
      .default(0)
      .meta({ description: 'Seed of every random number: same file, seed and engine, same result.' }),
    engine: z
      .enum(['auto', 'native', 'wasm'])
      .default('auto')
      .meta({
        description: 'What computes.',
        values: { auto: 'the first that works', native: 'TensorFlow, where it is installed', wasm: 'the built-in one' },
      }),
    model: z
      .string()
      .min(1)
      .meta({ description: 'A Hugging Face model folder, relative to this file, or builtin:keeper.' }),
    system: z.string().optional().meta({ description: "System prompt, where the model's chat template has one." }),
    method,
    attack: attackOptions.prefault({}).meta({ description: 'The attack inside the training.' }),
    lora: loraOptions
      .prefault({})
      .meta({ description: 'The adapter that is trained; the model itself stays as it is.' }),
    training: trainingOptions
      .prefault({})
      .meta({ description: 'Batches, length and optimizer (AdamW) of the training.' }),
    data: z
      .strictObject({
        adversarial: adversarialData.meta({
          description: 'Rows with a prompt, the harmful opening and the safe answer.',
        }),
        utility: utilityData
          .optional()
          .meta({ description: 'Chats or raw text that the model should go on to answer as before.' }),
        safeAnswer: z.string().min(1).default("Sorry, I can't do that.").meta({
          description: 'Safe answer of the rows that have none.',
          paper: 'this sentence',
        }),
      })
      .meta({ description: 'What is trained on.' }),
    evaluation: evaluationOptions
      .prefault({})
      .meta({ description: 'What is measured before, during and after training.' }),
    checkpoints: z
      .strictObject({
        every: z.int().min(1).default(1).meta({
          description: 'Steps between checkpoints: what a killed run has to do again at most.',
          unit: 'optimizer steps',
        }),
        keep: z.int().min(1).default(1).meta({ description: 'How many of the last checkpoints are kept.' }),
      })
      .prefault({})
      .meta({ description: 'States from which a run resumes.' }),
  })
  .meta({
    title: 'Sparring experiment',
    description: 'One experiment: a model, a method, data, and what is measured.',
  });

export type AttackOptions = z.output<typeof attackOptions>;
export type CatOptions = z.output<typeof catOptions>;
export type CapoOptions = z.output<typeof capoOptions>;
export type SftOptions = z.output<typeof sftOptions>;
export type LoraOptions = z.output<typeof loraOptions>;
export type TrainingOptions = z.output<typeof trainingOptions>;
export type AdversarialData = z.output<typeof adversarialData>;
export type UtilityData = z.output<typeof utilityData>;
export type EvaluationData = z.output<typeof evaluationData>;
export type EvaluationAttack = z.output<typeof evaluationAttack>;
export type EvaluationOptions = z.output<typeof evaluationOptions>;
export type Experiment = z.output<typeof experimentSchema>;

/** A checked experiment with every default filled in and every path made absolute; what config.json of a run folder holds. */
export interface Resolved extends Experiment {
  name: string;
  /** Absolute path of the experiment file. */
  file: string;
}
