import { z } from 'zod';

export const epsilonText =
  'Radius of the ball around each token in which the attack may move its embedding. 0.05 is 5 % of the mean norm of an embedding.';
export const epsilonUnit = 'mean L2 norms of the embedding rows';

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

export type AttackOptions = z.output<typeof attackOptions>;
