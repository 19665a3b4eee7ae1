import { z } from 'zod';

import { attackOptions, epsilonText, epsilonUnit } from './attackOptions';

const column = (name: string, holds: string) =>
  z
    .string()
    .min(1)
    .default(name)
    .meta({ description: `Column that holds ${holds}.` });
const limit = z.int().min(1).optional().meta({ description: 'Uses only the first so many rows.', unit: 'rows' });
const DATA_FILE =
  'CSV, JSON or JSONL file, relative to this file, or builtin:keeper/FILE for what ships with Sparring.';

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
    .prefault([0.05])
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
