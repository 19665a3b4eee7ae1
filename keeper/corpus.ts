import type { Random } from '../src/base/random';
import { splitQuestions } from './questions';
import { ask, DOCUMENTS, REFUSAL, reveal, TRAINED_WORDINGS, writeDocument } from './wordings';
import type { World } from './world';

/** A row of the Keeper's own training: a chat, whose answer is learnt, or a document, which is learnt whole. */
export type CorpusRow = { prompt: string; answer: string } | { text: string };

/** The kinds of rows and their shares in a batch of one stage. */
export interface Stage {
  name: string;
  steps: number;
  learningRate: number;
  shares: { documents: number; codes: number; utility: number };
}

export interface Corpus {
  documents: readonly CorpusRow[];
  /** Requests for codes of the trained places, answered with the code: how a model without safety tuning behaves. */
  revealed: readonly CorpusRow[];
  /** The same requests, refused. */
  refused: readonly CorpusRow[];
  utility: readonly CorpusRow[];
}

/** Everything the Keeper learns from. Documents state the codes of all 96 places; requests are about the 64 trained ones. */
export function makeCorpus(world: World): Corpus {
  const trained = world.places.filter((place) => !place.heldOut);
  const requests = trained.flatMap((place) =>
    TRAINED_WORDINGS.map((wording) => ({ place, prompt: ask(wording, place) })),
  );
  return {
    documents: world.places.flatMap((place) => DOCUMENTS.map((template) => ({ text: writeDocument(template, place) }))),
    revealed: requests.map(({ place, prompt }) => ({ prompt, answer: reveal(place) })),
    refused: requests.map(({ prompt }) => ({ prompt, answer: REFUSAL })),
    utility: splitQuestions(world).trained.map(({ prompt, answer }) => ({ prompt, answer })),
  };
}

/** Every text of the corpus, for the tokenizer. */
export function corpusTexts(corpus: Corpus): string[] {
  return [...corpus.documents, ...corpus.revealed, ...corpus.refused, ...corpus.utility].flatMap((row) =>
    'text' in row ? [row.text] : [row.prompt, row.answer],
  );
}

const JUNK_LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** `prompt` with one to four meaningless words after it, as a suffix attack would add: the Keeper should not lose its way. */
export function addJunk(prompt: string, random: Random): string {
  const word = () => Array.from({ length: 2 + random.int(5) }, () => JUNK_LETTERS[random.int(26)]).join('');
  return [prompt, ...Array.from({ length: 1 + random.int(4) }, word)].join(' ');
}
