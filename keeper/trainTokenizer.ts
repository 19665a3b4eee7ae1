// Byte-level BPE as in GPT-2 (Sennrich et al. 2016, arXiv 1508.07909; bytes shown as characters): the most frequent pair of symbols is
// merged until the vocabulary is full. Ties go to the pair that is first in code-point order, so that the result depends on the text only.

export const SPECIALS = ['<|pad|>', '<|user|>', '<|assistant|>', '<|end|>'] as const;

/** Text as pre_tokenizer `Sequence[Digits, ByteLevel]` cuts it: single digits, then GPT-2's words with their leading blank. */
export function cutWords(text: string): string[] {
  const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
  return text.split(/(\d)/).flatMap((part) => part.match(words) ?? []);
}

/** GPT-2's table from bytes to printable characters: printable Latin-1 as itself, the rest from U+0100 on. */
export function byteCharacters(): string[] {
  const table: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.push(String.fromCodePoint(printable ? byte : next++));
  }
  return table;
}

export interface Bpe {
  vocabulary: string[];
  merges: [string, string][];
}

/** Learns merges from `texts` until there are `size` tokens (specials and the 256 bytes included) or no pair occurs twice. */
export function trainBpe(texts: Iterable<string>, size: number): Bpe {
  const bytes = byteCharacters();
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of cutWords(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = [...counts].map(([word, count]) => ({
    count,
    symbols: [...new TextEncoder().encode(word)].map((byte) => bytes[byte] as string),
  }));
  const vocabulary = [...SPECIALS, ...bytes];
  const known = new Set<string>(vocabulary);
  const merges: [string, string][] = [];
  while (vocabulary.length < size) {
    const best = mostFrequentPair(words);
    if (!best) break;
    merges.push(best);
    const merged = best.join('');
    if (!known.has(merged)) {
      known.add(merged);
      vocabulary.push(merged);
    }
    for (const word of words) word.symbols = merge(word.symbols, best);
  }
  return { vocabulary, merges };
}

function mostFrequentPair(
  words: readonly { count: number; symbols: readonly string[] }[],
): [string, string] | undefined {
  const pairs = new Map<string, number>();
  for (const { count, symbols } of words) {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const key = `${symbols[i]} ${symbols[i + 1]}`;
      pairs.set(key, (pairs.get(key) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let most = 1;
  for (const [key, count] of pairs) {
    if (count > most || (count === most && best !== undefined && key < best)) {
      best = key;
      most = count;
    }
  }
  return best?.split(' ') as [string, string] | undefined;
}

function merge(symbols: readonly string[], [left, right]: readonly [string, string]): string[] {
  const result: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      result.push(left + right);
      i++;
    } else result.push(symbols[i] as string);
  }
  return result;
}

/** The contents of tokenizer.json and tokenizer_config.json. */
export function tokenizerFiles(bpe: Bpe, maxLength: number): { tokenizer: object; config: object } {
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIALS.map((content, id) => ({ id, content, ...special })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel],
    },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(bpe.vocabulary.map((token, id) => [token, id])),
      merges: bpe.merges,
    },
  };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: maxLength,
    clean_up_tokenization_spaces: false,
    bos_token: null,
    eos_token: '<|end|>',
    pad_token: '<|pad|>',
    chat_template: CHAT_TEMPLATE,
  };
  return { tokenizer, config };
}

// No system text: the Keeper was trained without one, so a system message is left out rather than shown to it.
const CHAT_TEMPLATE =
  "{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}<|end|>" +
  "{% elif message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>{% endif %}{% endfor %}" +
  '{% if add_generation_prompt %}<|assistant|>{% endif %}';
