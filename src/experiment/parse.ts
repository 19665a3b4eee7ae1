import { extname } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import type { ProblemData } from '../base/problem';

export type Path = readonly (string | number)[];

/** Lines and columns from 1; the end is exclusive. */
export interface Range {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

export interface Parsed {
  /** The plain value; undefined when the text has syntax errors. */
  value?: unknown;
  /** The value as far as a broken text can be read; the same as `value` for a sound one. */
  guess?: unknown;
  problems: ProblemData[];
  /** Where a key or a value stands; for a path that is not in the text, the nearest thing around it. */
  rangeOf(path: Path, part?: 'key' | 'value'): Range;
  /** The path of the key or value at an offset, e.g. for hover; undefined outside of everything. */
  pathAt(offset: number): { path: Path; part: 'key' | 'value' } | undefined;
}

/** Most aliases that a file may unfold to. A few nested ones could otherwise become gigabytes. */
const MAX_ALIASES = 50;

/** The released messages of `yaml` end with a drawing of the line; the first sentence is enough beside a place. */
const sentence = (message: string): string => {
  const first = (message.split('\n')[0] ?? message).replace(/:?$/, '').replace(/ at line \d+, column \d+$/, '');
  return /[.!?]$/.test(first) ? first : `${first}.`;
};

const unclosed = (message: string): string => {
  const end = /end with a ([\]}])/.exec(message)?.[1];
  return end === ']'
    ? 'A list that begins with [ is not closed: add ].'
    : 'A group that begins with { is not closed: add }.';
};

const EXPLAINED: { readonly [code: string]: (message: string) => string } = {
  DUPLICATE_KEY: () => 'This key stands here twice: remove one of the two.',
  TAB_AS_INDENT: () => 'YAML is not indented with tabs: use spaces.',
  TAG_RESOLVE_FAILED: () => 'Tags (!...) are not used in experiment files: write the value without its tag.',
  BAD_INDENT: (message) =>
    /end with a ([\]}])/.test(message)
      ? unclosed(message)
      : `${sentence(message)} Things that belong together start in the same column.`,
  MULTIPLE_DOCS: () =>
    "An experiment file holds one experiment: remove the '---' and what follows, or move it to a file of its own.",
};

const JSON_WORDS = /^(true|false|null|-?\d.*)$/;

/** JSON's rules are stricter than YAML's. Where the text breaks them: what and where, as a part of the text. */
function jsonError(text: string, document: Document): { message: string; start: number; end: number } | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // not every version of Node says where, and a word without quotes is the usual reason
    let unquoted: readonly [number, number, number] | undefined;
    visit(document, {
      Scalar(_key, node) {
        if (unquoted || !node.range || node.type === 'QUOTE_DOUBLE') return;
        if (!JSON_WORDS.test(text.slice(node.range[0], node.range[1]))) unquoted = node.range;
      },
    });
    if (unquoted && unquoted[1] > unquoted[0])
      return { message: 'Text needs double quotes here.', start: unquoted[0], end: unquoted[1] };
    const said = /position (\d+)/.exec(message)?.[1];
    const comma = /,(?=\s*[}\]])/.exec(text)?.index;
    const start = said === undefined ? (comma ?? text.length) : Number(said);
    return { message: 'This is not valid JSON.', start, end: start + 1 };
  }
}

/** Reads YAML or, for a file named .json, JSON. Never throws: what is wrong with the text stands in `problems`, each with its place. */
export function parseExperiment(text: string, file: string): Parsed {
  const counter = new LineCounter();
  const json = extname(file) === '.json';
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: true, version: '1.2' });
  const position = (offset: number) => {
    const { line, col } = counter.linePos(Math.max(0, Math.min(offset, text.length)));
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  };
  const rangeBetween = (start: number, end: number): Range => {
    const from = position(start);
    const to = position(Math.max(end, start));
    return { ...from, endLine: to.line, endColumn: to.column };
  };
  const problemAt = (code: string, message: string, start: number, end: number): ProblemData => ({
    code,
    severity: 'error',
    message,
    file,
    ...rangeBetween(start, end),
  });

  const problems = [...document.errors, ...document.warnings].map((error) =>
    problemAt('syntax', EXPLAINED[error.code]?.(error.message) ?? sentence(error.message), error.pos[0], error.pos[1]),
  );
  const broken = json && problems.length === 0 ? jsonError(text, document) : undefined;
  if (broken) {
    const message = `${broken.message} A .json file holds plain JSON: no comments, no trailing commas, names in quotes.`;
    problems.push(problemAt('syntax', message, broken.start, broken.end));
  }
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
    } catch (error) {
      // the one thing that throws here is the limit on aliases
      const reason = error instanceof ReferenceError ? `more than ${MAX_ALIASES} aliases` : String(error);
      problems.push(problemAt('aliases', `This file unfolds ${reason}: write the values out.`, 0, 0));
    }
  }

  let guess = value;
  if (value === undefined) {
    try {
      guess = document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
    } catch {
      // too broken to be read at all: there is no guess
      guess = undefined;
    }
  }

  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const keyOf = (pair: Pair): string => String(isScalar(pair.key) ? pair.key.value : pair.key);
  /** The steps from the top to `path`, as far as they exist. */
  function walk(path: Path): { nodes: unknown[]; pairs: (Pair | undefined)[] } {
    const nodes: unknown[] = [document.contents];
    const pairs: (Pair | undefined)[] = [undefined];
    for (const part of path) {
      const node = resolved(nodes[nodes.length - 1]);
      if (isMap(node)) {
        const pair = node.items.find((item) => keyOf(item) === String(part));
        if (!pair) break;
        nodes.push(pair.value);
        pairs.push(pair);
      } else if (isSeq(node) && typeof part === 'number' && part < node.items.length) {
        nodes.push(node.items[part]);
        pairs.push(undefined);
      } else break;
    }
    return { nodes, pairs };
  }
  const rangeOfNode = (node: unknown): Range | undefined => {
    const range = (node as Node | null | undefined)?.range;
    // the end of a block reaches over its last line break: the value's own end is what people see
    return range ? rangeBetween(range[0], range[0] + text.slice(range[0], range[1]).trimEnd().length) : undefined;
  };

  return {
    value,
    guess,
    problems,
    rangeOf(path, part = 'value') {
      const { nodes, pairs } = walk(path);
      for (let depth = nodes.length - 1; depth >= 0; depth--) {
        // of something around the path, the key is enough: not a whole block
        const wanted = depth === path.length ? part : 'key';
        const pair = pairs[depth];
        const key = pair && rangeOfNode(pair.key);
        if (wanted === 'key' && key) return key;
        const range = rangeOfNode(nodes[depth]);
        if (range && depth > 0) return range;
        if (key) return key;
      }
      return rangeBetween(0, (text.split('\n', 1)[0] ?? '').length);
    },
    pathAt(offset) {
      const holds = (node: unknown): boolean => {
        const range = (node as Node | null | undefined)?.range;
        return range !== undefined && range !== null && offset >= range[0] && offset <= range[1];
      };
      function search(node: unknown, path: Path): { path: Path; part: 'key' | 'value' } | undefined {
        if (isMap(node)) {
          for (const pair of node.items) {
            if (!isPair(pair)) continue;
            const inner = [...path, keyOf(pair)];
            if (holds(pair.key)) return { path: inner, part: 'key' };
            if (holds(pair.value)) return search(pair.value, inner);
          }
          return undefined;
        }
        if (isSeq(node)) {
          const i = node.items.findIndex(holds);
          return i < 0 ? undefined : search(node.items[i], [...path, i]);
        }
        return { path, part: 'value' };
      }
      return holds(document.contents) ? search(document.contents, []) : undefined;
    },
  };
}
