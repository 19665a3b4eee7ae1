import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { bounded } from './bounded';

// The only file that knows @huggingface/jinja. A template comes with a model, so it may be hostile: it sees plain values only, runs for
// a limited time, and what it may ask for or write is bounded.

/** Renders with these values. @throws Error of one sentence */
export type JinjaTemplate = (values: { readonly [name: string]: unknown }) => string;

const MILLISECONDS = 2000;
const MOST_ITEMS = 100_000;
const MOST_LETTERS = 4_000_000;

/** @throws Error where the text is no Jinja */
export function parseJinja(text: string): JinjaTemplate {
  const program = bounded(MILLISECONDS, () => parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true })));
  return (values) => {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...GLOBALS, ...values })) environment.set(name, value);
    const result = bounded(MILLISECONDS, () => String(new Interpreter(environment).run(program).value));
    if (result.length > MOST_LETTERS) throw new Error(`it wrote ${result.length} letters`);
    return result;
  };
}

const GLOBALS: { readonly [name: string]: unknown } = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range,
  strftime_now: (format: unknown) => formatDate(String(format)),
  date_string: formatDate('%d %b %Y'),
};

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= MOST_ITEMS)) throw new Error(`range() of ${count} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** Templates that print the date would make runs differ from day to day; this is the date Llama 3's own template falls back on. */
function formatDate(format: string): string {
  const parts: { readonly [letter: string]: string } = {
    ...{ Y: '2024', m: '07', d: '26', b: 'Jul', B: 'July', y: '24', H: '00', M: '00', S: '00', A: 'Friday', a: 'Fri' },
    '%': '%',
  };
  return format.replaceAll(/%([A-Za-z%])/g, (whole, letter: string) =>
    Object.hasOwn(parts, letter) ? (parts[letter] ?? '') : whole,
  );
}
