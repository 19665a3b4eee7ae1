import { z } from 'zod';

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
  gradientCheckpointing: z.boolean().default(false).meta({
    description:
      'Keep only what goes from block to block until the backward pass, which computes the blocks anew: less memory, more time, the same gradients to float error.',
  }),
  maxLength: z.int().min(2).default(256).meta({
    description: 'Longer rows are cut at this many tokens.',
    unit: 'tokens',
    paper: 'CAT 256, CAPO 128',
  }),
});
