import { meanEmbeddingNorm } from '../../src/attack/forward';
import type { CapoOptions, CatOptions, Resolved, SftOptions } from '../../src/experiment/schema';
import { experimentSchema } from '../../src/experiment/schema';
import { openModel } from '../../src/model/openModel';
import type { Setup } from '../../src/run/setUp';
import { goldenPairs, goldenUtility } from '../attack/goldenTraining';
import { tinyFolder } from '../model/golden';

export interface GoldenOptions {
  method: Partial<CatOptions> | Partial<CapoOptions> | Partial<SftOptions>;
  attack?: Partial<Resolved['attack']>;
  training?: Partial<Resolved['training']>;
  lora?: Partial<Resolved['lora']>;
  steps?: number;
  accumulation?: number;
}

/** A set-up whose every micro-batch is all golden rows, adversarial and utility, in their order. */
export async function goldenSetup({
  method,
  attack,
  training,
  lora,
  steps = 1,
  accumulation = 1,
}: GoldenOptions): Promise<Setup> {
  const experiment = experimentSchema.parse({
    model: tinyFolder,
    method,
    attack: attack ?? {},
    lora: { rank: 2, alpha: 4, dropout: 0, ...lora },
    training: { schedule: 'constant', ...training, steps, accumulation },
    data: { adversarial: { file: 'none.jsonl' }, utility: { file: 'none.jsonl' } },
  });
  const model = await openModel(tinyFolder);
  return {
    resolved: { ...experiment, name: 'golden', file: 'golden.sparring.yaml' },
    model,
    embeddingNorm: await meanEmbeddingNorm(model.weights.embedding),
    adversarial: goldenPairs,
    utility: goldenUtility,
    steps,
    plan: Array.from({ length: steps * accumulation }, () => ({
      adversarial: [...goldenPairs.keys()],
      utility: [...goldenUtility.keys()],
    })),
    units: [],
    warnings: [],
    close: () => model.close(),
  };
}
