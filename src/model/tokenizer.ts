import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { Problem } from '../base/problem';

/** Text to ids and back, from a model folder's tokenizer.json. The only file that knows @huggingface/tokenizers. */
export interface Tokenizer {
  /** Special tokens written in the text become their ids. `special`: add what the model expects around a text (BOS). */
  encode(text: string, options?: { special?: boolean }): number[];
  /** `keepSpecial`: write special tokens out instead of leaving them away. */
  decode(ids: readonly number[], options?: { keepSpecial?: boolean }): string;
  /** Ids in the tokenizer, added tokens included; the model's table may be larger. */
  vocabularySize: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

/** @throws Problem `tokenizer` where the library cannot read the parsed tokenizer.json. */
export function makeTokenizer(json: object, config: object, file: string): Tokenizer {
  let inner: HubTokenizer;
  try {
    inner = new HubTokenizer(json, config);
    inner.encode('probe');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem('tokenizer', `the tokenizer could not be read (${why}); fetch the file again.`, { file });
  }
  const special = new Set<number>();
  for (const [id, token] of inner.get_added_tokens_decoder()) if (token.special) special.add(id);
  return {
    encode: (text, options) =>
      text === '' && !options?.special ? [] : inner.encode(text, { add_special_tokens: options?.special ?? false }).ids,
    decode: (ids, options) =>
      ids.length === 0
        ? ''
        : inner.decode([...ids], {
            skip_special_tokens: !options?.keepSpecial,
            // transformers cleans spaces up only where tokenizer_config.json asks for it; texts are judged, so never here.
            clean_up_tokenization_spaces: false,
          }),
    vocabularySize: inner.get_vocab(true).size,
    idOf: (token) => inner.token_to_id(token),
    tokenOf: (id) => inner.id_to_token(id),
    isSpecial: (id) => special.has(id),
  };
}
