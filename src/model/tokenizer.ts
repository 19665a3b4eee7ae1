import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { Problem } from '../base/problem';
import { checkTokenizer } from './checkTokenizer';
import { correctedTokenizer } from './correctedTokenizer';
import type { Json } from './fields';
import { TimeLimit, withinTime } from './timeLimit';

/** Text to ids and back, from a model folder's tokenizer.json. The only file that knows @huggingface/tokenizers. */
export interface Tokenizer {
  /** Special tokens written in the text become their ids. `special`: add what the model expects around a text (BOS). */
  encode(text: string, options?: { special?: boolean }): number[];
  /** `keepSpecial`: write special tokens out instead of leaving them away. */
  decode(ids: readonly number[], options?: { keepSpecial?: boolean }): string;
  /** One more than the highest id, added tokens included; the model's table may be larger. */
  vocabularySize: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

/** For reading a tokenizer.json; the largest take seconds. */
const OPENING = 60_000;
/** For a text, and for each of its characters: a regular expression that backtracks takes years. */
const TEXT = 1500;
const CHARACTER = 0.05;

/** @throws Problem `tokenizer` where the parsed tokenizer.json contradicts itself, or the library cannot read it. */
export function makeTokenizer(json: Json, config: Json, file: string): Tokenizer {
  const problem = (what: string) => new Problem('tokenizer', what, { file });
  const guarded = <T>(milliseconds: number, run: () => T): T => {
    try {
      return withinTime(milliseconds, run);
    } catch (error) {
      if (error instanceof TimeLimit)
        throw problem(
          `the tokenizer ${error.message} over a text: one of its rules is endless; use another tokenizer.json.`,
        );
      if (error instanceof RangeError)
        throw problem(`the tokenizer goes beyond what can be computed (${error.message}); use another tokenizer.json.`);
      throw error;
    }
  };
  let inner: HubTokenizer;
  let highest: number;
  try {
    highest = checkTokenizer(json);
    inner = guarded(OPENING, () => new HubTokenizer(correctedTokenizer(json), config));
    guarded(TEXT, () => inner.encode('probe'));
  } catch (error) {
    if (error instanceof Problem) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw problem(`the tokenizer could not be read (${why}); fetch the file again.`);
  }
  const special = new Set<number>();
  for (const [id, token] of inner.get_added_tokens_decoder()) if (token.special) special.add(id);

  const encode = (text: string, special: boolean): number[] => {
    const { ids } = guarded(TEXT + CHARACTER * text.length, () => inner.encode(text, { add_special_tokens: special }));
    // The library knows no unk_token where a tokenizer has none.
    const lost = ids.findIndex((id: unknown) => typeof id !== 'number');
    if (lost >= 0)
      throw problem(`the tokenizer has no token for a part of the text ${JSON.stringify(text.slice(0, 60))}.`);
    return ids;
  };
  return {
    encode: (text, options) => (text === '' && !options?.special ? [] : encode(text, options?.special ?? false)),
    decode: (ids, options) =>
      ids.length === 0
        ? ''
        : guarded(TEXT + CHARACTER * ids.length, () =>
            inner.decode([...ids], {
              skip_special_tokens: !options?.keepSpecial,
              // transformers cleans spaces up only where tokenizer_config.json asks for it; texts are judged, so never here.
              clean_up_tokenization_spaces: false,
            }),
          ),
    vocabularySize: highest + 1,
    idOf: (token) => inner.token_to_id(token),
    tokenOf: (id) => inner.id_to_token(id),
    isSpecial: (id) => special.has(id),
  };
}
