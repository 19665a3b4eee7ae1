import { extname } from 'node:path';
import { isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { Fix } from '../base/problem';
import type { Path } from './parse';

/** Replace the text between two offsets. */
export interface TextChange {
  start: number;
  end: number;
  text: string;
}

/** A value in one line, as YAML or JSON. */
function oneLine(value: unknown, json: boolean): string {
  if (json) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((it) => oneLine(it, json)).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key}: ${oneLine(inner, json)}`)
      .join(', ')} }`;
  const plain =
    typeof value === 'string' && /^[A-Za-z][\w:/.-]*$/.test(value) && !/:$|^(true|false|null)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}

const rangeOf = (node: unknown): [number, number] | undefined => {
  const range = (node as Node | null | undefined)?.range;
  return range ? [range[0], range[1]] : undefined;
};

const pairOf = (map: YAMLMap, key: string | number): Pair | undefined =>
  map.items.find((it) => String(isScalar(it.key) ? it.key.value : it.key) === String(key));

/** Adds `key: value` as the first entry of a group. */
function insert(
  text: string,
  map: YAMLMap,
  key: string,
  value: unknown,
  json: boolean,
  top: boolean,
): TextChange | undefined {
  const entry = `${json ? JSON.stringify(key) : key}: ${oneLine(value, json)}`;
  const range = rangeOf(map);
  const first = rangeOf(map.items[0]?.key);
  if (!range) return undefined;
  if (map.flow || json) {
    const start = range[0] + 1;
    return { start, end: start, text: first ? ` ${entry},` : ` ${entry} ` };
  }
  if (!first) return undefined;
  // at the top of the file a new group comes last, below the comment that heads the file
  if (top) return { start: text.length, end: text.length, text: `${text.endsWith('\n') ? '' : '\n'}${entry}\n` };
  const indent = first[0] - (text.lastIndexOf('\n', first[0] - 1) + 1);
  return { start: first[0], end: first[0], text: `${entry}\n${' '.repeat(indent)}` };
}

/** Deletes an entry of a group or of a list, with its line or its comma. */
function remove(text: string, start: number, end: number, flow: boolean): TextChange {
  if (flow) {
    const after = /^\s*,\s*/.exec(text.slice(end));
    if (after) return { start, end: end + after[0].length, text: '' };
    const before = /,\s*$/.exec(text.slice(0, start));
    return { start: start - (before?.[0].length ?? 0), end, text: '' };
  }
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const last = start + text.slice(start, end).trimEnd().length;
  const lineEnd = text.indexOf('\n', last);
  if (text.slice(lineStart, start).trim() !== '') return { start, end: last, text: '' };
  return { start: lineStart, end: lineEnd < 0 ? text.length : lineEnd + 1, text: '' };
}

/**
 * The change of text that carries out a problem's fix at its path; the rest of the file, with its comments, stays as it is. `set` adds the key, and the
 * groups around it, where they are not written yet. Undefined where the text has changed so that the fix no longer fits.
 */
export function mend(text: string, file: string, at: Path, fix: Fix): TextChange | undefined {
  const json = extname(file) === '.json';
  const document = parseDocument(text);
  let node: unknown = document.contents;
  for (let depth = 0; depth < at.length; depth++) {
    const part = at[depth] as string | number;
    const last = depth === at.length - 1;
    if (isSeq(node) && typeof part === 'number') {
      const range = rangeOf(node.items[part]);
      if (!range) return undefined;
      if (last && fix.kind === 'remove') return remove(text, range[0], range[1], true);
      node = node.items[part];
    } else if (isMap(node)) {
      const pair = pairOf(node, part);
      if (!pair) {
        if (fix.kind !== 'set' || typeof part !== 'string') return undefined;
        const missing = at.slice(depth + 1);
        if (missing.some((it) => typeof it === 'number')) return undefined;
        return insert(
          text,
          node,
          part,
          missing.reduceRight<unknown>((inner, key) => ({ [key]: inner }), fix.value),
          json,
          depth === 0,
        );
      }
      const key = rangeOf(pair.key);
      if (!key) return undefined;
      if (last && fix.kind === 'rename')
        return { start: key[0], end: key[1], text: json ? JSON.stringify(fix.name) : fix.name };
      if (last && fix.kind === 'remove')
        return remove(text, key[0], rangeOf(pair.value)?.[1] ?? key[1] + 1, json || node.flow === true);
      node = pair.value;
    } else if (isScalar(node) && fix.kind === 'set' && last && typeof node.value === 'string' && depth > 0) {
      // `method: cat` becomes a group with its name
      const range = rangeOf(node);
      if (!range) return undefined;
      return { start: range[0], end: range[1], text: oneLine({ name: node.value, [String(part)]: fix.value }, json) };
    } else return undefined;
  }
  const range = rangeOf(node);
  if (fix.kind !== 'set' || !range) return undefined;
  const end = range[0] + text.slice(range[0], range[1]).trimEnd().length;
  const gap = text[range[0] - 1] === ':' ? ' ' : '';
  return { start: range[0], end: Math.max(end, range[0]), text: gap + oneLine(fix.value, json) };
}
