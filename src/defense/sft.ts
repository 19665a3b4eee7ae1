import type { SftOptions } from '../experiment/schema';
import { type CatInput, type CatLoss, catLoss } from './cat';

export type SftLossOptions = Omit<SftOptions, 'name'>;

/**
 * The control of arXiv 2405.15589: fine-tuning on the same data with the same losses as CAT, on clean prompts. Whoever calls it gives
 * log-probabilities with delta = 0; the loss itself is CAT's.
 */
export const sftLoss = (input: CatInput, options: SftLossOptions): CatLoss => catLoss(input, options);
