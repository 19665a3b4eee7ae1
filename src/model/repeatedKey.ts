const QUOTE = 34;
const BACKSLASH = 92;

/**
 * The first key that an object of a JSON text has twice, however it is escaped; JSON.parse would take the last and say nothing.
 * `json` must have been parsed once. Without recursion and regular expressions: the text may be long, or deep.
 */
export function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const sign = json.charCodeAt(i);
    if (sign === 123) open.push(new Set());
    else if (sign === 125) open.pop();
    else if (sign === QUOTE) {
      const start = i++;
      for (; json.charCodeAt(i) !== QUOTE; i++) if (json.charCodeAt(i) === BACKSLASH) i++;
      let next = i + 1;
      while (' \t\r\n'.includes(json[next] ?? '.')) next++;
      if (json[next] !== ':') continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
