import type { GgufFile } from './ggufSource';
import { mergesFromScores } from './mergesFromScores';
import { Metadata } from './metadata';
import { type PreTokenizer, preTokenizers } from './preTokenizers';

type Json = { [key: string]: unknown };

/** Kinds of tokens, as llama.cpp numbers them. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
/** Phi-3's special tokens swallow the blanks behind them, all but these (its tokenizer.json; GGUF files do not say it). */
const PHI3_KEEP: readonly string[] = ['<unk>', '<s>', '<|endoftext|>'];

/**
 * tokenizer.json and tokenizer_config.json as Hugging Face would have them, out of a GGUF file's metadata; the chat template stands in the
 * latter.
 * @throws Problem `gguf` for a kind of tokenizer that is not supported.
 */
export function ggufTokenizer(file: GgufFile): { tokenizerJson: Json; tokenizerConfig: Json } {
  const data = new Metadata(file.header, file.path);
  const tokens = data.texts('tokenizer.ggml.tokens');
  const types = data.numbers('tokenizer.ggml.token_type');
  if (types && types.length !== tokens.length)
    throw data.wrong('tokenizer.ggml.token_type', `a list of ${tokens.length}`);
  const vocabulary: { [token: string]: number } = Object.create(null);
  tokens.forEach((token, id) => {
    if (token in vocabulary) throw data.wrong('tokenizer.ggml.tokens', 'a list of different texts');
    vocabulary[token] = id;
  });
  const kind = data.text('tokenizer.ggml.model');
  if (kind !== 'gpt2' && kind !== 'llama') throw data.wrong('tokenizer.ggml.model', 'gpt2 or llama');
  const special = (name: string): string | undefined => {
    const id = data.number(`tokenizer.ggml.${name}_token_id`);
    return id === undefined ? undefined : tokens[id];
  };
  const bos = special('bos');
  const eos = special('eos');
  const cut = kind === 'gpt2' ? preTokenizer(data) : undefined;
  const addBos = data.flag('tokenizer.ggml.add_bos_token') ?? (cut ? (cut.addBos ?? false) : true);
  const addEos = data.flag('tokenizer.ggml.add_eos_token') ?? false;
  const added = tokens.flatMap((content, id) => {
    const type = types?.[id];
    if (type !== CONTROL && type !== USER_DEFINED && type !== UNKNOWN) return [];
    const rstrip = kind === 'llama' && data.architecture === 'phi3' && !PHI3_KEEP.includes(content);
    const plain = { single_word: false, lstrip: false, rstrip, normalized: false };
    return [{ id, content, ...plain, special: type !== USER_DEFINED }];
  });
  const around = [...(addBos && bos ? [bos] : []), '$A', ...(addEos && eos ? [eos] : [])];
  const shared: Json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    post_processor: around.length > 1 ? template(around, vocabulary) : null,
  };
  const unknown = special('unknown') ?? tokens[types ? Array.from(types).indexOf(UNKNOWN) : -1];
  const own = cut ? byteLevel(data, vocabulary, cut) : sentencePiece(data, vocabulary, tokens, unknown);
  const chatTemplate = data.optionalText('tokenizer.chat_template');
  return {
    tokenizerJson: { ...shared, ...own },
    tokenizerConfig: {
      ...(bos === undefined ? {} : { bos_token: bos }),
      ...(eos === undefined ? {} : { eos_token: eos }),
      ...(unknown === undefined ? {} : { unk_token: unknown }),
      ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    },
  };
}

function template(around: readonly string[], vocabulary: { readonly [token: string]: number }): Json {
  const piece = (text: string): Json =>
    text === '$A' ? { Sequence: { id: 'A', type_id: 0 } } : { SpecialToken: { id: text, type_id: 0 } };
  const tokens = around.filter((text) => text !== '$A');
  return {
    type: 'TemplateProcessing',
    single: around.map(piece),
    pair: [...around.map(piece), { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: Object.fromEntries(
      tokens.map((text) => [text, { id: text, ids: [vocabulary[text]], tokens: [text] }]),
    ),
  };
}

function preTokenizer(data: Metadata): PreTokenizer {
  const name = data.optionalText('tokenizer.ggml.pre') ?? 'default';
  const known = Object.hasOwn(preTokenizers, name) ? preTokenizers[name] : undefined;
  if (!known) throw data.wrong('tokenizer.ggml.pre', `one of ${Object.keys(preTokenizers).join(', ')}`);
  return known;
}

function byteLevel(data: Metadata, vocabulary: { readonly [token: string]: number }, known: PreTokenizer): Json {
  const merges = data.texts('tokenizer.ggml.merges').map((merge) => {
    // The first part may itself begin with the blank's sign, never with a blank.
    const at = merge.indexOf(' ', 1);
    if (at < 0) throw data.wrong('tokenizer.ggml.merges', 'a list of pairs with a blank between them');
    return [merge.slice(0, at), merge.slice(at + 1)];
  });
  return {
    normalizer: known.normalizer ?? null,
    pre_tokenizer: known.preTokenizer,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: vocabulary, merges, ignore_merges: known.ignoreMerges ?? false, ...BPE_DEFAULTS },
  };
}

const BPE_DEFAULTS: Json = { dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null };

/** As transformers converts a SentencePiece model of kind BPE: merges follow from the scores, unknown letters become bytes. */
function sentencePiece(
  data: Metadata,
  vocabulary: { readonly [token: string]: number },
  tokens: readonly string[],
  unknown: string | undefined,
): Json {
  const scores = data.numbers('tokenizer.ggml.scores');
  if (scores?.length !== tokens.length) throw data.wrong('tokenizer.ggml.scores', `a list of ${tokens.length} numbers`);
  const prefix = data.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const blank = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const back = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  const strip = prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [];
  return {
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, blank] } : blank,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: [back, { type: 'ByteFallback' }, { type: 'Fuse' }, ...strip] },
    model: {
      ...{ type: 'BPE', vocab: vocabulary, merges: mergesFromScores(tokens, vocabulary, scores), ...BPE_DEFAULTS },
      ...{ unk_token: unknown ?? null, fuse_unk: true, byte_fallback: true, ignore_merges: false },
    },
  };
}
