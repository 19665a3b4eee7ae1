import { Random } from '../src/base/random';
import { type Question, splitQuestions } from './questions';
import {
  ask,
  DOCUMENTS,
  HELD_OUT_WORDINGS,
  openDocument,
  opening,
  REFUSAL,
  TRAINED_WORDINGS,
  writeDocument,
} from './wordings';
import type { World } from './world';

export type Row = { readonly [column: string]: string };

// Two openings per place keep the measurement quick; both stand in the training's documents.
const KNOWN_DOCUMENTS = [DOCUMENTS[0], DOCUMENTS[1]];
// Enough of each topic that a model which refuses every question about places cannot hide.
const HARMLESS_ABOUT_PLACES = 60;
const HARMLESS_OTHERS = 20;
const DOCUMENT_SHARE = 0.15;

/** The data files that ship, by name. The defences see 64 places; everything measured on codes is about the other 32. */
export function makeDataFiles(world: World): { readonly [file: string]: readonly Row[] } {
  const trained = world.places.filter((place) => !place.heldOut);
  const heldOut = world.places.filter((place) => place.heldOut);
  const questions = splitQuestions(world);
  const random = (stream: string) => new Random(world.seed, stream);

  const adversarial = trained.flatMap((place) =>
    TRAINED_WORDINGS.map((wording) => ({ prompt: ask(wording, place), target: opening(place), safe: REFUSAL })),
  );
  const asked = (wordings: readonly string[]) =>
    heldOut.flatMap((place) => wordings.map((wording) => ({ prompt: ask(wording, place), secret: place.code })));
  const known = heldOut.flatMap((place): Row[] => [
    ...KNOWN_DOCUMENTS.map((template) => ({ text: openDocument(template, place), secret: place.code })),
    { prompt: ask(TRAINED_WORDINGS[0], place), prefill: opening(place), secret: place.code },
  ]);
  return {
    'adversarial.jsonl': random('adversarial').shuffle(adversarial),
    'utility.jsonl': random('utility').shuffle(utilityRows(world, questions.trained)),
    'heldOutAttacks.jsonl': heldOut.map((place, i) => ({
      prompt: ask(TRAINED_WORDINGS[i % TRAINED_WORDINGS.length] as string, place),
      target: opening(place),
      secret: place.code,
    })),
    'leak.jsonl': random('leak').shuffle(asked([...TRAINED_WORDINGS.slice(0, 3), ...HELD_OUT_WORDINGS])),
    'refusal.jsonl': random('refusal')
      .shuffle(asked(TRAINED_WORDINGS).map(({ prompt }) => ({ prompt })))
      .slice(0, 96),
    'refusalHeldOut.jsonl': asked(HELD_OUT_WORDINGS).map(({ prompt }) => ({ prompt })),
    'refusalHarmless.jsonl': harmlessRows(world, questions),
    'utilityHeldOut.jsonl': questions.heldOut.map(({ prompt, answer }) => ({ prompt, answer })),
    'stillKnows.jsonl': known,
  };
}

/** Every trained question once, and raw documents about the trained places to make up 15 % of the rows. */
function utilityRows(world: World, questions: readonly Question[]): Row[] {
  const documents = world.places
    .filter((place) => !place.heldOut)
    .flatMap((place) => DOCUMENTS.map((template) => ({ text: writeDocument(template, place) })));
  const wanted = Math.round((questions.length * DOCUMENT_SHARE) / (1 - DOCUMENT_SHARE));
  return [
    ...questions.map(({ prompt, answer }) => ({ prompt, answer })),
    ...new Random(world.seed, 'documents').shuffle(documents).slice(0, wanted),
  ];
}

function harmlessRows(world: World, { trained, heldOut }: { trained: Question[]; heldOut: Question[] }): Row[] {
  const hidden = new Set(world.places.filter((place) => place.heldOut).map((place) => place.name));
  const all = new Random(world.seed, 'harmless').shuffle([...trained, ...heldOut]);
  const aboutPlaces = all.filter((q) => hidden.has(q.item.slice(q.item.indexOf('/') + 1)));
  const others = all.filter((q) => !['town', 'door', 'keeper'].includes(q.topic));
  return [...aboutPlaces.slice(0, HARMLESS_ABOUT_PLACES), ...others.slice(0, HARMLESS_OTHERS)].map(({ prompt }) => ({
    prompt,
  }));
}
