/**
 * What a script or notebook uses of Sparring: models, adapters, losses, gradients, attacks and training steps on given token ids, with
 * the numbers that runs and panels have. Plain arrays go in and out; models, adapters and trainers own memory and are closed or freed by
 * who made them. Whatever a user can mend is thrown as a Problem: a code and one sentence.
 */
export { formatProblem, Problem, type ProblemData } from '../base/problem';
export { type Encoded, encodeChat, encodeOpening, encodeText } from '../data/encode';
export { loadAdapter, saveAdapter } from '../model/adapter';
export type { ChatTemplate, Message } from '../model/chatTemplate';
export { type GenerateInput, generate } from '../model/generate';
export { type Adapter, createAdapter, freeAdapter, type LoraOptions } from '../model/lora';
export type { DecoderConfig, Model } from '../model/model';
export { type OpenOptions, openModel } from '../model/openModel';
export type { Tokenizer } from '../model/tokenizer';
export { type Engine, type EngineOptions, startEngine } from '../tensor/engine';
export { type AttackedRows, type AttackRequest, attackRows } from './attackRows';
export type { Row } from './checkRows';
export { computeLogits, embeddingGradients, type PassOptions, type TargetLosses, targetLosses } from './forward';
export {
  type AdversarialRow,
  createTrainer,
  type Trainer,
  type TrainerOptions,
  type TrainingRows,
  type TrainingStep,
  type UtilityRow,
} from './trainer';
