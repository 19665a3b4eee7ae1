import type { Json } from './fields';

/** GPT-2's own pattern, which byte-level tokenizers have built in. Its \s is written out: JavaScript's has U+FEFF and lacks U+0085. */
const BYTE_LEVEL =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+|" +
  '\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+';

/**
 * A tokenizer.json so written that the library reads it as Python's does. The one difference that real tokenizers show: the pattern built
 * into ByteLevel, in place of which it gets a step of its own. The library sees to blanks in patterns that a file spells out.
 */
export function correctedTokenizer(json: Json): Json {
  // Files of old do not say what kind of model theirs is; checkTokenizer has seen that it has merges.
  const model = { type: 'BPE', ...(json['model'] as Json) };
  return { added_tokens: [], ...json, model, pre_tokenizer: correctedStep(json['pre_tokenizer']) };
}

function correctedStep(step: unknown): unknown {
  if (typeof step !== 'object' || step === null) return step;
  const { type, pretokenizers, use_regex, add_prefix_space } = step as Json;
  if (type === 'Sequence' && Array.isArray(pretokenizers))
    return { ...step, pretokenizers: pretokenizers.map(correctedStep) };
  // A blank before the text comes before the pattern, and only there.
  if (type !== 'ByteLevel' || use_regex === false || add_prefix_space === true) return step;
  const split = { type: 'Split', pattern: { Regex: BYTE_LEVEL }, behavior: 'Isolated', invert: false };
  return { type: 'Sequence', pretokenizers: [split, { ...step, use_regex: false }] };
}
