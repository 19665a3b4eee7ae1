import { Environment, parse, tokenize } from '@huggingface/jinja';
import { BoundedInterpreter, LIMITS, TooMuchWork } from './boundedInterpreter';
import { fixedDate } from './fixedDate';
import { TimeLimit, withinTime } from './timeLimit';

// Templates as programs: compiled once, rendered within bounds. The time limit is for what the interpreter's bounds do not see: the library's
// lexer and parser, and single operations on large texts.

export { LIMITS, TooMuchWork };

/** A parsed template, to be rendered often. */
export interface Jinja {
  /** @throws TooMuchWork, or an Error with the template's own words */
  render(variables: { readonly [name: string]: unknown }): string;
}

/** @throws TooMuchWork; an Error that says what is wrong with the text */
export function compileJinja(text: string): Jinja {
  if (text.length > LIMITS.template) throw new TooMuchWork(`it has more than ${LIMITS.template} characters`);
  // As transformers sets Jinja up.
  const program = bounded(() => parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true })));
  return {
    render: (variables) =>
      bounded(() => {
        const environment = new Environment();
        for (const [name, value] of Object.entries({ ...GLOBALS, ...variables })) environment.set(name, value);
        const given = JSON.stringify(variables).length;
        const result = String(new BoundedInterpreter(environment, given).run(program).value);
        if (result.length > LIMITS.text) throw new TooMuchWork('it writes too much');
        return result;
      }),
  };
}

function bounded<T>(run: () => T): T {
  try {
    return withinTime(LIMITS.milliseconds, run);
  } catch (error) {
    if (error instanceof TimeLimit) throw new TooMuchWork(`it ${error.message}`);
    // The stack's end, or a text or list beyond what JavaScript allows.
    if (error instanceof RangeError) throw new TooMuchWork(`it goes beyond what can be computed (${error.message})`);
    throw error;
  }
}

function range(...args: unknown[]): number[] {
  if (args.length < 1 || args.length > 3 || !args.every(Number.isSafeInteger))
    throw new Error('range takes one to three whole numbers');
  const [start, stop, step] = (args.length === 1 ? [0, args[0], 1] : [...args, 1]) as [number, number, number];
  if (step === 0) throw new Error('the step of a range must not be 0');
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > LIMITS.range) throw new TooMuchWork(`it asks for a range of ${count} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

// What transformers and Jinja give to every template.
const GLOBALS = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message).slice(0, 500));
  },
  range,
  strftime_now: (format: unknown) => fixedDate(String(format)),
};
