import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { Problem } from '../base/problem';
import { bounded } from './bounded';

/** Text to ids and back, from a model folder's tokenizer.json. The only file that knows @huggingface/tokenizers. */
export interface Tokenizer {
  /** Special tokens written in the text become their ids. `special`: add what the model expects around a text (BOS). */
  encode(text: string, options?: { special?: boolean }): number[];
  /** `keepSpecial`: write special tokens out instead of leaving them away. */
  decode(ids: readonly number[], options?: { keepSpecial?: boolean }): string;
  /** One more than the largest id, added tokens included; the model's table may be larger. */
  vocabularySize: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

/** @throws Problem `tokenizer` where the library cannot read the parsed tokenizer.json. */
export function makeTokenizer(json: object, config: object, file: string): Tokenizer {
  const broken = (why: string) =>
    new Problem('tokenizer', `the tokenizer could not be read (${why.slice(0, 300)}); fetch the file again.`, { file });
  const wrong = whatIsWrong(json);
  if (wrong !== undefined) throw broken(wrong);
  const guarded = <T>(limit: number, work: () => T): T => {
    try {
      return bounded(limit, work);
    } catch (error) {
      throw broken(error instanceof Error ? error.message : String(error));
    }
  };
  const inner = guarded(LOADING, () => {
    const made = new HubTokenizer(json, config);
    made.encode('probe');
    return made;
  });
  const vocabulary = inner.get_vocab(true);
  let largest = -1;
  for (const id of vocabulary.values()) largest = Math.max(largest, id);
  const special = new Set<number>();
  for (const [id, token] of inner.get_added_tokens_decoder()) if (token.special) special.add(id);
  return {
    encode: (text, options) =>
      text === '' && !options?.special
        ? []
        : guarded(limitFor(text), () => inner.encode(text, { add_special_tokens: options?.special ?? false }).ids),
    decode: (ids, options) =>
      ids.length === 0
        ? ''
        : inner.decode([...ids], {
            skip_special_tokens: !options?.keepSpecial,
            // transformers cleans spaces up only where tokenizer_config.json asks for it; texts are judged, so never here.
            clean_up_tokenization_spaces: false,
          }),
    vocabularySize: largest + 1,
    idOf: (token) => inner.token_to_id(token),
    tokenOf: (id) => inner.id_to_token(id),
    isSpecial: (id) => special.has(id),
  };
}

/** For one text; what is honest takes far less than a millisecond per letter. */
const limitFor = (text: string): number => 2000 + text.length;

/** What makes a parsed tokenizer.json no tokenizer, where the library would not say so: ids that are none, or that two tokens share. */
function whatIsWrong(json: object): string | undefined {
  const { model, added_tokens: added = [] } = json as { model?: unknown; added_tokens?: unknown };
  if (typeof model !== 'object' || model === null) return 'model must be an object';
  const { vocab, merges } = model as { vocab?: unknown; merges?: unknown };
  if (typeof vocab !== 'object' || vocab === null) return 'model.vocab must be an object or a list';
  const tokens = new Map<number, string>();
  const put = (token: string, id: unknown): string | undefined => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MOST_TOKENS)
      return `token ${JSON.stringify(token.slice(0, 40))} has the id ${JSON.stringify(id)}`;
    const other = tokens.get(id);
    if (other !== undefined && other !== token)
      return `tokens ${JSON.stringify(other.slice(0, 40))} and ${JSON.stringify(token.slice(0, 40))} share the id ${id}`;
    tokens.set(id, token);
    return undefined;
  };
  // Unigram models list [token, score]; an id is a place in the list.
  if (!Array.isArray(vocab))
    for (const [token, id] of Object.entries(vocab)) {
      const wrong = put(token, id);
      if (wrong !== undefined) return wrong;
    }
  if (!Array.isArray(added)) return 'added_tokens must be a list';
  for (const one of added as unknown[]) {
    const { id, content } = (one ?? {}) as { id?: unknown; content?: unknown };
    if (typeof content !== 'string') return 'an added token has no content';
    const wrong = put(content, id);
    if (wrong !== undefined) return wrong;
  }
  return merges === undefined || Array.isArray(merges) ? undefined : 'model.merges must be a list';
}

/** Milliseconds for a vocabulary of a million. */
const LOADING = 60_000;
const MOST_TOKENS = 10_000_000;
