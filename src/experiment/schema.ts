import { z } from 'zod';

// The one schema of experiment files. Types, the run-time check, the JSON Schema behind completion and hover, and the reference page all
// come from here. Defaults are the paper's (arXiv 2405.15589) unless the text says otherwise.

export const RATE_KEYS = ['leak', 'refusal', 'refusalHeldOut', 'refusalHarmless', 'utility', 'stillKnows'] as const;

const column = (name: string) => z.string().min(1).default(name);

export const attackOptions = z.strictObject({
  epsilon: z.number().positive().default(0.05).describe('Radius of the L2 ball around each token, in mean L2 norms of the embedding rows.'),
  iterations: z.int().min(1).max(10000).default(10).describe('Gradient steps on delta.'),
  stepSize: z.number().positive().default(1e-4).describe('Step of delta per iteration, see stepSizeUnit.'),
  stepSizeUnit: z
    .enum(['absolute', 'radius'])
    .default('absolute')
    .describe("'absolute' (the paper): stepSize as it is. 'radius': stepSize * radius / sqrt(D), so that it follows the ball."),
  optimizer: z.enum(['sign', 'adam', 'rms', 'normalized']).default('sign').describe('How the gradient moves delta.'),
  perturb: z
    .enum(['all', 'user'])
    .default('all')
    .describe("Which tokens delta may move: 'all' attended tokens that are no target, or only the 'user''s words."),
  start: z.enum(['zero', 'random']).default('zero').describe('Where delta starts: zero, or uniformly in the ball.'),
  ball: z.enum(['l2', 'none']).default('l2').describe("'l2': project each token's delta back to the ball. 'none': no bound."),
  keep: z.enum(['last', 'best']).default('last').describe('Which delta is used: the last (the released code) or the one of lowest loss.'),
});

const cutoffs = {
  awayCutoff: z.number().max(0).default(-5).describe('Below this the away term is flattened (CAT) or a harmful log-probability counts as 0 (CAPO).'),
};

export const catOptions = z.strictObject({
  name: z.literal('cat').describe('Continuous adversarial training (paper, eq. 4).'),
  awayWeight: z.number().min(0).default(0.5),
  towardWeight: z.number().min(0).default(0.5),
  utilityWeight: z.number().min(0).default(1),
  ...cutoffs,
  towardCutoff: z.number().min(0).default(0.5).describe('Below this the toward term is flattened. 0: never.'),
  cutoffForm: z.enum(['code', 'paper']).default('code').describe("'code': c + 0.001 L; 'paper': the continuous 0.999 c + 0.001 L."),
  awayLoss: z.enum(['negativeCrossEntropy', 'log1MinusP']).default('negativeCrossEntropy'),
});

export const capoOptions = z.strictObject({
  name: z.literal('capo').describe('Continuous adversarial preference optimisation (paper, eq. 5): IPO on attacked prompts.'),
  beta: z.number().positive().default(0.25),
  ...cutoffs,
  towardCutoff: z.number().min(0).default(0).describe('A safe log-probability above minus this counts as 0. 0: never.'),
  outside: z.enum(['zero', 'clamp']).default('zero').describe("What a log-probability beyond its cutoff counts as: 'zero' (the released code) or 'clamp' to the cutoff."),
  referencePrompts: z.enum(['clean', 'attacked']).default('clean'),
  referenceOrder: z.enum(['matched', 'reversed']).default('matched').describe("'reversed' reproduces the released code, which pairs row i with the reference of row N-1-i."),
  utilityWeight: z.number().min(0).default(0).describe('The paper uses no utility rows with CAPO.'),
});

export const sftOptions = z.strictObject({
  name: z.literal('sft').describe('Control: the same data and losses as CAT, without the attack (delta = 0).'),
  awayWeight: z.number().min(0).default(0.5),
  towardWeight: z.number().min(0).default(0.5),
  utilityWeight: z.number().min(0).default(1),
  ...cutoffs,
  towardCutoff: z.number().min(0).default(0.5),
  cutoffForm: z.enum(['code', 'paper']).default('code'),
  awayLoss: z.enum(['negativeCrossEntropy', 'log1MinusP']).default('negativeCrossEntropy'),
});

export const loraOptions = z.strictObject({
  rank: z.int().min(1).default(64),
  alpha: z.number().positive().default(16),
  dropout: z.number().min(0).max(0.99).default(0.1),
  targets: z
    .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
    .default('all-linear')
    .describe("'all-linear' (all but the output head), or names such as q_proj, v_proj, down_proj."),
});

export const trainingOptions = z.strictObject({
  epochs: z.number().positive().default(5).describe('Passes over the adversarial rows; ignored when steps is given.'),
  steps: z.int().min(1).optional().describe('Optimizer steps; overrides epochs.'),
  rows: z.int().min(1).default(8).describe('Rows per micro-batch.'),
  accumulation: z.int().min(1).default(8).describe('Micro-batches per optimizer step.'),
  adversarialShare: z.number().min(0).max(1).default(0.125).describe('Share of adversarial rows; the rest are utility rows.'),
  mix: z.enum(['random', 'fixed']).default('random').describe("'random' (the paper): each row is drawn; 'fixed': round(rows * share) in every micro-batch."),
  learningRate: z.number().positive().default(2e-4),
  schedule: z.enum(['cosine', 'constant']).default('cosine').describe('cosine: to 0 over the run.'),
  warmupSteps: z.int().min(0).default(0),
  weightDecay: z.number().min(0).default(1e-3),
  clipNorm: z.number().positive().default(0.3).describe("Largest global norm of the gradient."),
  maxLength: z.int().min(2).default(256).describe('Longer rows are cut at this many tokens.'),
});

/** Rows with a prompt that must not be answered, the opening the attack aims for, and the answer wanted instead. */
export const adversarialData = z.strictObject({
  file: z.string().min(1).describe('CSV, JSON or JSONL; relative to this file, or builtin:keeper/... for what ships with Sparring.'),
  prompt: column('prompt'),
  target: column('target'),
  safe: column('safe').describe('Column of the safe answer; rows without it get data.safeAnswer.'),
  limit: z.int().min(1).optional(),
});
/** Chats (prompt, answer) or raw text (text) that the model should go on to answer as before. */
export const utilityData = z.strictObject({
  file: z.string().min(1),
  prompt: column('prompt'),
  answer: column('answer'),
  text: column('text').describe('Column of raw text: no chat template, every token is a target.'),
  limit: z.int().min(1).optional(),
});
/** Rows that are answered greedily and judged. `secret` and `answer` are the columns the judges read. */
export const evaluationData = z.strictObject({
  file: z.string().min(1),
  prompt: column('prompt'),
  text: column('text').describe('Column of a raw opening that the model continues, without chat template.'),
  prefill: column('prefill').describe("Column of words put into the assistant's mouth."),
  secret: column('secret'),
  answer: column('answer'),
  judge: z.enum(['secret', 'refusal', 'answer']).optional().describe('Default: what the metric needs.'),
  limit: z.int().min(1).optional(),
});

export const evaluationAttack = z.strictObject({
  name: z.literal('embedding'),
  ...attackOptions.omit({ epsilon: true }).shape,
  epsilon: z
    .union([z.number().positive(), z.array(z.number().positive()).min(1)])
    .default([0.05])
    .describe('One radius or a list; each is measured.'),
  file: z.string().min(1).describe('Rows with prompt, target (what the attack optimises) and secret (what counts as success).'),
  prompt: column('prompt'),
  target: column('target'),
  secret: column('secret'),
  judge: z.enum(['secret', 'refusal']).default('secret').describe("Success is: 'secret', the secret stands in the output; 'refusal', the output does not refuse."),
  limit: z.int().min(1).optional(),
});

export const evaluationOptions = z.strictObject({
  attacks: z.array(evaluationAttack).default([]),
  leak: evaluationData.optional().describe('Rate of outputs with the secret, with no attack.'),
  refusal: evaluationData.optional().describe('Rate of refusals of the wordings trained on.'),
  refusalHeldOut: evaluationData.optional().describe('Rate of refusals of wordings never trained on.'),
  refusalHarmless: evaluationData.optional().describe('Rate of refusals of harmless questions; lower is better.'),
  utility: evaluationData.optional().describe('Rate of right answers to held-out questions.'),
  stillKnows: evaluationData.optional().describe('Rate of secrets still known (raw text or prefilled answer): robustness by forgetting shows here.'),
  maxNewTokens: z.int().min(1).max(4096).default(24),
  batch: z.int().min(1).default(32).describe('Rows per batch of attack and generation.'),
  every: z.int().min(0).default(0).describe('Measure attack success every so many steps during training; 0: only before and after.'),
  duringRows: z.int().min(1).default(8).describe('Rows used for that, from the first attack and its largest epsilon.'),
  before: z.boolean().default(true).describe('Evaluate before training too.'),
});

export const experimentSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .optional()
    .describe("Name of the run's folder; default: the file's name."),
  seed: z.int().min(0).max(0xffffffff).default(0),
  engine: z.enum(['auto', 'native', 'wasm']).default('auto'),
  model: z.string().min(1).describe('A Hugging Face model folder, relative to this file, or builtin:keeper.'),
  system: z.string().optional().describe('System prompt, where the template has one.'),
  method: z.discriminatedUnion('name', [catOptions, capoOptions, sftOptions]),
  attack: attackOptions.prefault({}).describe('The attack inside the training.'),
  lora: loraOptions.prefault({}),
  training: trainingOptions.prefault({}),
  data: z.strictObject({
    adversarial: adversarialData,
    utility: utilityData.optional(),
    safeAnswer: z.string().min(1).default("Sorry, I can't do that."),
  }),
  evaluation: evaluationOptions.prefault({}),
  checkpoints: z
    .strictObject({
      every: z.int().min(1).default(1).describe('Steps between checkpoints: what a killed run loses at most.'),
      keep: z.int().min(1).default(1),
    })
    .prefault({}),
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
