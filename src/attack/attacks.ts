import type { EvaluationAttack } from '../experiment/schema';
import { embeddingAttack } from './embedding';

/** Every attack by the name that experiment files use. The compiler refuses a name without code. */
export const attacks = { embedding: embeddingAttack } satisfies { [name in EvaluationAttack['name']]: unknown };
