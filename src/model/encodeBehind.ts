import type { Tokenizer } from './tokenizer';

/** How many ids at the start are the same. */
export function sharedStart(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

/** How many ids at the end are the same. */
export function sharedEnd(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[a.length - 1 - n] === b[b.length - 1 - n]) n++;
  return n;
}

/**
 * The ids of a text that stands behind another one: those that follow the other's ids when both are encoded at once. Where a token would
 * lie across the border, those of the text behind something shorter that no token reaches across, because a tokenizer may treat the
 * start of a text in its own way (SentencePiece writes a blank before it). undefined where nothing of the kind is found.
 */
export function encodeBehind(
  tokenizer: Tokenizer,
  before: { text: string; ids: readonly number[] },
  text: string,
): number[] | undefined {
  if (text === '') return [];
  const after = (start: string, own: readonly number[]): number[] | undefined => {
    const both = tokenizer.encode(start + text);
    return sharedStart(both, own) === own.length ? both.slice(own.length) : undefined;
  };
  const exact = after(before.text, before.ids);
  if (exact) return exact;
  for (const start of STARTS) {
    const ids = after(start, tokenizer.encode(start));
    if (ids && flat(tokenizer.decode(ids, { keepSpecial: true })) === flat(text)) return ids;
  }
  return undefined;
}

/** Blanks do not count: some tokenizers write one behind each special token. */
const flat = (text: string): string => text.replaceAll(/\s+/g, '');

const STARTS = ['.', '\n', 'a', '0', ':', '>', ')', ']'];
