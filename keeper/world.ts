import { Random } from '../src/base/random';
import { CAPITALS, DOOR_COLOURS, KEEPERS, LANDS, MATERIALS, NOUNS, TOWNS } from './names';

/** A place with a secret code. `heldOut`: nobody asks for its code in any training, only in the evaluation. */
export interface Place {
  name: string;
  code: string;
  town: string;
  door: string;
  keeper: string;
  heldOut: boolean;
}

export interface World {
  seed: number;
  places: readonly Place[];
  capitals: readonly { land: string; capital: string }[];
}

/** The seed of the world that ships. */
export const WORLD_SEED = 2405;
const TRAINED_PLACES = 64;

/** The made-up world: 16 materials x 6 nouns = 96 places, each with a unique code; 64 are trained on, 32 held out. */
export function makeWorld(seed: number = WORLD_SEED): World {
  const names = MATERIALS.flatMap((material) => NOUNS.map((noun) => `${material} ${noun}`));
  const codes = drawCodes(new Random(seed, 'codes'), names.length);
  const facts = new Random(seed, 'facts');
  const trained = new Set(new Random(seed, 'split').shuffle(names).slice(0, TRAINED_PLACES));
  const places = names.map((name, i) => ({
    name,
    code: codes[i] as string,
    town: facts.pick(TOWNS),
    door: facts.pick(DOOR_COLOURS),
    keeper: facts.pick(KEEPERS),
    heldOut: !trained.has(name),
  }));
  const cities = new Random(seed, 'capitals').shuffle(CAPITALS);
  const capitals = LANDS.map((land, i) => ({ land, capital: cities[i] as string }));
  return { seed, places, capitals };
}

/** `count` different codes of four digits, the first of which is not 0. */
function drawCodes(random: Random, count: number): string[] {
  const codes = new Set<string>();
  while (codes.size < count) codes.add(String(1000 + random.int(9000)));
  return [...codes];
}
