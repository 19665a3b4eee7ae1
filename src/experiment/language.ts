import { extname } from 'node:path';
import { namesIn } from '../base/files';
import { cursorAt, inComment } from './cursor';
import { defaultText, settingMarkdown } from './describe';
import { alternatives, type JsonNode, keysAt, nodeAt } from './jsonSchema';
import { BUILTINS, locate } from './locate';
import { type Parsed, type Path, parseExperiment, type Range } from './parse';

/** What an editor shows over a setting: our own Markdown, and the part of the text it is about. */
export interface Hover {
  markdown: string;
  range: Range;
}

/** The hover at an offset; undefined over nothing that the schema knows. */
export function hoverAt(text: string, file: string, offset: number): Hover | undefined {
  const parsed = parseExperiment(text, file);
  const found = parsed.pathAt(offset);
  if (!found) return undefined;
  // over an entry of a list, its list is what has a description
  const path = found.path.filter((part, i) => typeof part !== 'number' || i < found.path.length - 1);
  const setting = nodeAt(path, parsed.guess);
  // over the `cat` of `method: cat`, what cat is
  const named = found.part === 'value' && setting?.oneOf?.some((it) => it.properties?.name);
  const node = named ? nodeAt([...path, 'name'], parsed.guess) : setting;
  const name = path.filter((part) => typeof part !== 'number').join('.');
  if (!node || name === '') return undefined;
  return { markdown: settingMarkdown(name, node), range: parsed.rangeOf(found.path, found.part) };
}

/** One proposal of an editor's completion. */
export interface Completion {
  label: string;
  kind: 'key' | 'value';
  /** What is inserted in place of `replace`, in VS Code's snippet syntax. */
  snippet: string;
  /** Offsets of the word that is being written. */
  replace: { start: number; end: number };
  detail: string;
  markdown: string;
  /** Sorts the proposals: needed settings first. */
  order: string;
}

const escaped = (text: string): string => text.replaceAll(/[\\$}]/g, '\\$&');
const isGroup = (node: JsonNode): boolean => alternatives(node).every((it) => it.type === 'object');
const isList = (node: JsonNode): boolean => node.type === 'array';

/** A value as the file's language writes it. */
function written(value: unknown, json: boolean): string {
  const plain =
    typeof value === 'string' &&
    /^[A-Za-z][\w:/.-]*$/.test(value) &&
    !/:$|^(true|false|null|yes|no|on|off)$/i.test(value);
  return !json && plain ? value : JSON.stringify(value);
}

function keySnippet(name: string, node: JsonNode, json: boolean, flow: boolean): string {
  const key = `${escaped(json ? JSON.stringify(name) : name)}:`;
  if (isGroup(node)) return flow ? `${key} { $0 }` : `${key}\n  $0`;
  if (isList(node)) return flow ? `${key} [$0]` : `${key}\n  - $0`;
  const values = choicesOf(node);
  const first = node.default ?? node.const;
  const fallback = first === undefined ? '' : written(first, json);
  if (values.length > 1)
    return `${key} \${1|${values.map((it) => escaped(written(it, json)).replaceAll(',', '\\,')).join(',')}|}`;
  return `${key} \${1:${escaped(fallback)}}`;
}

function choicesOf(node: JsonNode): unknown[] {
  const values = alternatives(node).flatMap((it) => {
    if (it.const !== undefined) return [it.const];
    return it.type === 'boolean' ? [true, false] : (it.enum ?? []);
  });
  // the default comes first: it is what Tab accepts
  return values.includes(node.default) ? [node.default, ...values.filter((it) => it !== node.default)] : values;
}

/** Data files that ship with Sparring, for settings that name a file or a model. */
function builtinPaths(path: Path): string[] {
  const last = path[path.length - 1];
  if (last === 'model') return Object.keys(BUILTINS).map((name) => `builtin:${name}`);
  if (last !== 'file') return [];
  return Object.keys(BUILTINS).flatMap((name) =>
    namesIn(locate(`builtin:${name}/data`, '/')).map((file) => `builtin:${name}/data/${file}`),
  );
}

const keysWritten = (parsed: Parsed, path: Path): string[] => {
  const group = path.reduce<unknown>(
    (it, part) =>
      typeof it === 'object' && it !== null ? (it as { [key: string | number]: unknown })[part] : undefined,
    parsed.guess,
  );
  return typeof group === 'object' && group !== null ? Object.keys(group) : [];
};

/** The keys or values that are still possible at an offset. The text may be unfinished. */
export function completionsAt(text: string, file: string, offset: number): Completion[] {
  if (inComment(text, file, offset)) return [];
  const json = extname(file) === '.json';
  const cursor = cursorAt(text, file, offset);
  const parsed = parseExperiment(text, file);
  const rest = /^[\w$.-]*["']?/.exec(text.slice(offset))?.[0] ?? '';
  const replace = { start: offset - cursor.typed.length, end: offset + rest.length };
  if (cursor.role === 'key') {
    const word = (cursor.typed + rest).replaceAll(/["']/g, '');
    const taken = keysWritten(parsed, cursor.path).filter((it) => it !== word);
    return keysAt(cursor.path, parsed.guess)
      .filter((it) => !taken.includes(it.name))
      .map(({ name, node, required }, i) => ({
        label: name,
        kind: 'key' as const,
        snippet: keySnippet(name, node, json, cursor.flow),
        replace,
        detail: required ? 'needed' : defaultText(node) === undefined ? '' : `default ${defaultText(node)}`,
        markdown: settingMarkdown(name, node),
        order: `${required ? 0 : 1}${String(i).padStart(3, '0')}`,
      }));
  }
  const node = nodeAt(cursor.path, parsed.guess);
  if (!node) return [];
  const choices = choicesOf(node);
  const fallback = choices.length === 0 && defaultText(node) !== undefined ? [node.default] : [];
  return [...choices, ...fallback, ...builtinPaths(cursor.path)].map((value, i) => ({
    label: String(typeof value === 'object' ? JSON.stringify(value) : value),
    kind: 'value' as const,
    snippet: escaped(written(value, json)),
    replace,
    detail: value === node.default ? 'default' : '',
    markdown: node.values?.[String(value)] ?? node.description ?? '',
    order: String(i).padStart(3, '0'),
  }));
}
