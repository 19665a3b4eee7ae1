import { Random } from '../src/base/random';
import { addJunk, type Corpus, type CorpusRow, type Stage } from './corpus';

/** Token ids of a row and how many of them, from the start, are prompt: the rest are targets. */
export interface EncodedRow {
  ids: readonly number[];
  prompt: number;
}

export interface Encoder {
  encode(text: string): number[];
  user: number;
  assistant: number;
  end: number;
}

/** A chat as the template renders it, of which the answer is learnt; a document, of which every token but the first is. */
export function encodeRow({ encode, user, assistant, end }: Encoder, row: CorpusRow): EncodedRow {
  if ('text' in row) return { ids: [...encode(row.text), end], prompt: 1 };
  const prompt = [user, ...encode(row.prompt), end, assistant];
  return { ids: [...prompt, ...encode(row.answer), end], prompt: prompt.length };
}

/** Draws rows in a shuffled order, again and again. */
class Pool<T> {
  private left: T[] = [];
  constructor(
    private readonly all: readonly T[],
    private readonly random: Random,
  ) {}

  draw(count: number): T[] {
    return Array.from({ length: count }, () => {
      if (this.left.length === 0) this.left = this.random.shuffle(this.all);
      return this.left.pop() as T;
    });
  }
}

/** The rows of each step of a stage, in its shares of documents, requests for codes and utility. */
export function* stageBatches(
  corpus: Corpus,
  stage: Stage,
  { seed, rows, junkShare }: { seed: number; rows: number; junkShare: number },
): Generator<CorpusRow[]> {
  const stream = (name: string) => new Random(seed, `${stage.name} ${name}`);
  const pools = {
    documents: new Pool(corpus.documents, stream('documents')),
    codes: new Pool(stage.name === 'helpful' ? corpus.revealed : corpus.refused, stream('codes')),
    utility: new Pool(corpus.utility, stream('utility')),
  };
  const junk = stream('junk');
  const documents = Math.round(rows * stage.shares.documents);
  const codes = Math.round(rows * stage.shares.codes);
  for (let step = 0; step < stage.steps; step++) {
    const drawn = [
      ...pools.documents.draw(documents),
      ...pools.codes.draw(codes),
      ...pools.utility.draw(rows - documents - codes),
    ];
    yield drawn.map((row) => {
      if ('text' in row || junk.next() >= junkShare) return row;
      return { ...row, prompt: addJunk(row.prompt, junk) };
    });
  }
}

/** A padded group: ids [rows, length], and for each target the flat place of the hidden state that predicts it. */
export interface Group {
  ids: Int32Array;
  rows: number;
  length: number;
  places: Int32Array;
  targets: Int32Array;
}

/** Rows of similar length together in `count` groups, each padded on the right to its own longest row. */
export function packByLength(rows: readonly EncodedRow[], count: number, pad: number): Group[] {
  const sorted = [...rows].sort((a, b) => a.ids.length - b.ids.length);
  const size = Math.ceil(sorted.length / count);
  const groups: Group[] = [];
  for (let from = 0; from < sorted.length; from += size) groups.push(packGroup(sorted.slice(from, from + size), pad));
  return groups;
}

function packGroup(rows: readonly EncodedRow[], pad: number): Group {
  const length = Math.max(...rows.map((row) => row.ids.length));
  const ids = new Int32Array(rows.length * length).fill(pad);
  const places: number[] = [];
  const targets: number[] = [];
  rows.forEach((row, r) => {
    ids.set(row.ids, r * length);
    for (let t = row.prompt; t < row.ids.length; t++) {
      places.push(r * length + t - 1);
      targets.push(row.ids[t] as number);
    }
  });
  return { ids, rows: rows.length, length, places: Int32Array.from(places), targets: Int32Array.from(targets) };
}
