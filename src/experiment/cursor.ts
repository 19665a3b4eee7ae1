import { extname } from 'node:path';
import type { Path } from './parse';

/** What is being written at a place of an experiment file. */
export interface Cursor {
  /** The group that a key would belong to, or the setting whose value is being written. */
  path: Path;
  role: 'key' | 'value';
  /** What stands before the cursor of the word itself, quotes included. */
  typed: string;
  /** Whether the place is inside { } or [ ]: settings go on in the same line. */
  flow: boolean;
  /** Column (from 0) in which the keys of this group begin; of use outside of flow. */
  indent: number;
}

interface Step {
  part: string | number;
  indent: number;
}
interface Flow {
  kind: '{' | '[';
  /** The key whose value is being written, in a group; the entry's number, in a list. */
  part: string | number | undefined;
  word: string;
}

const KEY = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:#{}[\],'"][^:#{}[\],]*?)\s*:(?=\s|$)\s*/;
const unquoted = (word: string): string => word.trim().replace(/^["']|["']$/g, '');

/** Reads the text up to the cursor as an editor sees it: unfinished, line by line, never failing. */
class Reader {
  private steps: Step[] = [];
  private flows: Flow[] = [];
  private quote = '';
  private typed = '';
  private indent = 0;
  private role: Cursor['role'] = 'key';

  constructor(private readonly json: boolean) {}

  line(text: string): void {
    if (this.json || this.flows.length > 0) {
      this.flowText(text);
      return;
    }
    const bare = text.replace(/(^|\s)#.*$/, '$1');
    this.role = 'key';
    this.typed = '';
    let rest = bare.trimStart();
    let indent = bare.length - rest.length;
    while (/^-(\s|$)/.test(rest)) {
      let next = 0;
      while (this.steps.length > 0) {
        const last = this.steps[this.steps.length - 1] as Step;
        if (last.indent < indent || (last.indent === indent && typeof last.part === 'string')) break;
        if (last.indent === indent && typeof last.part === 'number') next = last.part + 1;
        this.steps.pop();
      }
      this.steps.push({ part: next, indent });
      const after = rest.slice(1).trimStart();
      indent += rest.length - after.length;
      rest = after;
    }
    this.indent = indent;
    if (rest === '' && bare.trim() === '' && text.trim() !== '') return;
    const key = KEY.exec(rest);
    while (this.steps.length > 0 && (this.steps[this.steps.length - 1] as Step).indent >= indent) this.steps.pop();
    if (key) {
      this.steps.push({ part: unquoted(key[1] ?? ''), indent });
      rest = rest.slice(key[0].length);
      this.role = 'value';
    }
    if (/^[{[]/.test(rest)) this.flowText(rest);
    else this.typed = rest;
  }

  private flowText(text: string): void {
    for (const char of `${text}\n`) {
      const top = this.flows[this.flows.length - 1];
      if (this.quote) {
        if (char === this.quote) this.quote = '';
        if (top && char !== '\n') top.word += char;
      } else if (char === '"' || char === "'") {
        this.quote = char;
        if (top) top.word += char;
      } else if (char === '{' || char === '[')
        this.flows.push({ kind: char, part: char === '[' ? 0 : undefined, word: '' });
      else if (char === '}' || char === ']') {
        this.flows.pop();
        const outer = this.flows[this.flows.length - 1];
        if (outer) outer.word = '';
      } else if (!top) continue;
      else if (char === ',') {
        top.word = '';
        top.part = typeof top.part === 'number' ? top.part + 1 : undefined;
      } else if (char === ':' && top.kind === '{' && top.part === undefined) {
        top.part = unquoted(top.word);
        top.word = '';
      } else if (char !== '\n' && (top.word !== '' || char.trim() !== '')) top.word += char;
    }
  }

  cursor(): Cursor {
    const path: (string | number)[] = this.steps.map((it) => it.part);
    const top = this.flows[this.flows.length - 1];
    if (!top && !this.json) return { path, role: this.role, typed: this.typed, flow: false, indent: this.indent };
    for (const flow of this.flows) if (flow.part !== undefined) path.push(flow.part);
    const role = top && top.part === undefined ? 'key' : 'value';
    return { path, role, typed: top?.word ?? '', flow: true, indent: 0 };
  }
}

/** What is being written at `offset` of a text that need not be finished. */
export function cursorAt(text: string, file: string, offset: number): Cursor {
  const reader = new Reader(extname(file) === '.json');
  for (const line of text.slice(0, offset).split(/\r?\n/)) reader.line(line);
  return reader.cursor();
}

/** True inside a YAML comment, where nothing is completed. */
export function inComment(text: string, file: string, offset: number): boolean {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
  return extname(file) !== '.json' && /(^|\s)#/.test(line);
}
