import { z } from 'zod';
import { attackOptions } from './attackOptions';
import {
  adversarialData,
  type evaluationAttack,
  type evaluationData,
  evaluationOptions,
  utilityData,
} from './evaluationOptions';
import { type capoOptions, type catOptions, methodOptions, type sftOptions } from './methodOptions';
import { loraOptions, trainingOptions } from './trainingOptions';

// The one schema of experiment files. Types, the run-time check, the JSON Schema behind completion and hover, and the reference page all
// come from here, so every knob says what it does, in which unit, and where the paper stands. Defaults are those of arXiv 2405.15589 and
// its released code unless the text says otherwise.

export const RATE_KEYS = ['leak', 'refusal', 'refusalHeldOut', 'refusalHarmless', 'utility', 'stillKnows'] as const;

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
      .enum(['auto', 'native', 'webgpu', 'wasm'])
      .default('auto')
      .meta({
        description: 'What computes.',
        values: {
          auto: 'the first that works',
          native: 'TensorFlow, where it is installed',
          webgpu: 'the GPU, where the package webgpu is installed',
          wasm: 'the built-in one',
        },
      }),
    model: z.string().min(1).meta({
      description:
        'A Hugging Face model folder or a .gguf file, relative to this file; builtin:keeper; or hf:OWNER/NAME[@revision], a model of the Hugging Face Hub that was downloaded.',
    }),
    precision: z
      .enum(['float32', 'bfloat16', 'float16', 'int8', 'nf4'])
      .default('float32')
      .meta({
        description: "How the frozen model's linear layers are kept: fewer bits need less memory.",
        values: {
          float32: 'as they are, 4 bytes per weight',
          bfloat16: '2 bytes; the same numbers where the file has them so',
          float16: '2 bytes; the same numbers where the file has them so',
          int8: '8-bit blocks, about 1 byte',
          nf4: "QLoRA's 4-bit NormalFloat blocks, about half a byte",
        },
        paper: 'nf4',
      }),
    system: z.string().optional().meta({ description: "System prompt, where the model's chat template has one." }),
    template: z
      .string()
      .min(1)
      .optional()
      .meta({
        description:
          "Chat template, in place of the model's own: a .jinja file, relative to this file, or the name of one of the model's templates. " +
          'A base model without a template needs it.',
      }),
    method: methodOptions,
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
