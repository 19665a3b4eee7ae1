/** What Python's str.strip takes away where it is not told; JavaScript's trim takes U+FEFF too, and leaves some of these. */
const BLANKS = '\t\n\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000';
const BLANK = new RegExp(`[${BLANKS}]`);

/** Python's str.strip, lstrip and rstrip, which the template library has without `characters`: any of them is taken away. */
export function pythonStrip(text: string, sides: 'strip' | 'lstrip' | 'rstrip', characters?: string): string {
  const goes = characters === undefined ? undefined : new Set(characters);
  const all = Array.from(text);
  const taken = (character: string | undefined) =>
    character !== undefined && (goes ? goes.has(character) : BLANK.test(character));
  let start = 0;
  let end = all.length;
  if (sides !== 'rstrip') while (start < end && taken(all[start])) start++;
  if (sides !== 'lstrip') while (end > start && taken(all[end - 1])) end--;
  return all.slice(start, end).join('');
}
