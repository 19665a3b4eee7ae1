import { z } from 'zod';

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
export const methodOptions = z
  .preprocess(
    (value) => (typeof value === 'string' ? { name: value } : value),
    z.discriminatedUnion('name', [catOptions, capoOptions, sftOptions]),
  )
  .meta({
    description: 'How the model is trained: a name, or a name with options.',
    shorthand: { type: 'string', enum: ['cat', 'capo', 'sft'] },
  });
