import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttackOptions } from '../../src/experiment/schema';
import type { Message } from '../../src/model/chatTemplate';
import { decodeSafetensors } from '../../src/model/safetensors';
import { temporaryFolder } from '../temporaryFolder';
import { goldenFolder } from './golden';

// What test/golden/makeFamilies.py wrote; it says what each number is.

interface GoldenCase {
  greedy: number[][];
  chats: { messages: Message[]; open: boolean; ids: number[] }[];
}
interface Golden {
  rows: number[][];
  targetStarts: number[];
  attack: Pick<AttackOptions, 'optimizer' | 'perturb' | 'stepSizeUnit' | 'stepSize' | 'epsilon' | 'iterations'>;
  cases: { [name: string]: GoldenCase };
}
export interface FamilyCase {
  modelType: string;
  /** A whole model folder, the tokenizer included; its folder `adapter` is PEFT's. */
  folder(): string;
  /** A tensor of expected.safetensors. */
  expected(name: string): Float32Array;
  golden: GoldenCase & { adapterBytes(): Uint8Array };
}

const home = join(goldenFolder, 'families');
export const familyGolden = JSON.parse(readFileSync(join(home, 'expected.json'), 'utf8')) as Golden;

export const familyCases: { readonly [name: string]: FamilyCase } = Object.fromEntries(
  Object.entries(familyGolden.cases).map(([name, golden]): [string, FamilyCase] => {
    const stored = join(home, name);
    const config = JSON.parse(readFileSync(join(stored, 'config.json'), 'utf8')) as { model_type: string };
    const tensors = decodeSafetensors(readFileSync(join(stored, 'expected.safetensors')));
    let folder: string | undefined;
    return [
      name,
      {
        modelType: config.model_type,
        folder: () => {
          if (folder) return folder;
          folder = temporaryFolder();
          for (const part of ['tokenizer', name]) cpSync(join(home, part), folder, { recursive: true });
          return folder;
        },
        expected: (tensor) => {
          const found = tensors[tensor];
          if (!found) throw new Error(`${name} has no ${tensor}`);
          return found.data;
        },
        golden: { ...golden, adapterBytes: () => readFileSync(join(stored, 'adapter', 'adapter_model.safetensors')) },
      },
    ];
  }),
);
