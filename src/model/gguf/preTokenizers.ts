/** How a text is cut before its pieces are merged, as tokenizer.json would say it. */
export interface PreTokenizer {
  preTokenizer: object;
  normalizer?: object;
  /** Pieces that are tokens already are not merged. */
  ignoreMerges?: boolean;
  /** A text begins with BOS, though Llama 3's files do not say so. */
  addBos?: boolean;
}

const bytes = (regex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: regex,
});
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers });
const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
/** The cut of OpenAI's cl100k family: words, numbers of up to `digits` digits, signs, line ends. */
const cl100k = (digits: string) =>
  split(
    `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  );
const gpt2: PreTokenizer = { preTokenizer: bytes(true) };
// The models' files say Digits. The library's step of that name knows 0 to 9 only, Python's every number of Unicode.
const digitByDigit: PreTokenizer = { preTokenizer: sequence(split('\\p{N}'), bytes(true)) };
const llama3: PreTokenizer = {
  preTokenizer: sequence(cl100k('{1,3}'), bytes(false)),
  ignoreMerges: true,
  addBos: true,
};
const qwen: PreTokenizer = { normalizer: { type: 'NFC' }, preTokenizer: sequence(cl100k(''), bytes(false)) };

/** By tokenizer.ggml.pre. */
export const preTokenizers: { readonly [name: string]: PreTokenizer } = {
  default: gpt2,
  'gpt-2': gpt2,
  olmo: gpt2,
  smollm: digitByDigit,
  refact: digitByDigit,
  llama3,
  'llama-bpe': llama3,
  'llama-v3': llama3,
  dbrx: { preTokenizer: sequence(cl100k('{1,3}'), bytes(false)) },
  qwen2: qwen,
  'deepseek-r1-qwen': qwen,
};
