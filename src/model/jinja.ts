import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { fixedDate } from './fixedDate';
import { TimeLimit, withinTime } from './timeLimit';

// The only file that knows @huggingface/jinja. A template is a program of a stranger's, so its work is bounded: the steps it takes, the
// size of every value it makes, and of all of them together. These bounds give the same answer on every machine. The time limit is for
// what they do not see: the library's own lexer and parser, and single operations on large texts.

/** The template asked for too much. */
export class TooMuchWork extends Error {}

/** What a template may take: far more than any chat template needs. */
export const LIMITS = {
  /** Characters of a template. Those of models have up to 20,000. */
  template: 1 << 20,
  /** Characters of a value or of the output. */
  text: 1 << 22,
  /** Numbers of a range. */
  range: 10_000,
  /** Evaluated nodes; a long chat takes some thousands. */
  steps: 1 << 18,
  /** Nested evaluations: macros that call themselves. */
  depth: 300,
  /** Characters of all values made in one rendering, beside 200 times what was given. */
  made: 1 << 25,
  milliseconds: 1500,
} as const;

/** What a value costs beside its characters. */
const VALUE = 16;

type Node = Parameters<Interpreter['evaluate']>[0];
type Value = ReturnType<Interpreter['evaluate']>;
type Branch = NonNullable<Node> & { [part: string]: unknown };
interface Argument {
  type: string;
  key?: { value: string };
  value?: unknown;
  argument?: unknown;
}
const HELD = 'Held';
/** A node whose value is known. */
const held = (value: Value) => ({ type: HELD, held: value }) as unknown as Branch;

class BoundedInterpreter extends Interpreter {
  private steps = 0;
  private depth = 0;
  private left: number;
  private readonly sizes = new WeakMap<object, number>();

  constructor(environment: Environment, given: number) {
    super(environment);
    this.left = LIMITS.made + 200 * given;
  }

  override evaluate(node: Node, environment: Environment): Value {
    if (node?.type === HELD) return (node as unknown as { held: Value }).held;
    if (++this.steps > LIMITS.steps) throw new TooMuchWork('it takes too many steps');
    if (++this.depth > LIMITS.depth) throw new TooMuchWork('it calls itself too deeply');
    let value: Value;
    try {
      value = super.evaluate(node && this.foreseen(node as Branch, environment), environment);
    } finally {
      // A loop's continue is thrown.
      this.depth--;
    }
    if (node?.type === 'Set') this.checkNamespace(node as Branch, environment);
    const size = this.sizeOf(value, true);
    // A looked-up text costs nothing: it is there already.
    if (value.type !== 'StringValue' || (node?.type !== 'Identifier' && node?.type !== 'MemberExpression'))
      this.spend(size);
    return value;
  }

  private spend(size: number): void {
    if (!(size <= LIMITS.text)) throw new TooMuchWork('it makes a value that is too large');
    this.left -= size;
    if (this.left < 0) throw new TooMuchWork('it makes too many values');
  }

  /** Characters that a value holds, all its parts counted as often as they would be written. A list never changes once it is made. */
  private sizeOf(value: Value, top = false): number {
    const { type } = value;
    if (type === 'StringValue') return VALUE + (value.value as string).length;
    const parts =
      type === 'ArrayValue' || type === 'TupleValue'
        ? (value.value as Value[])
        : type === 'ObjectValue' || type === 'NamespaceValue' || type === 'KeywordArgumentsValue'
          ? (value.value as Map<string, Value>)
          : undefined;
    if (!parts) return VALUE;
    const namespace = type === 'NamespaceValue';
    // A namespace can change after it was measured, and hold itself.
    if (namespace && !top) throw new TooMuchWork('it puts a namespace inside a value');
    const known = this.sizes.get(parts);
    if (known !== undefined && !namespace) return known;
    let size = VALUE;
    if (parts instanceof Map) for (const [key, part] of parts) size += key.length + VALUE + this.sizeOf(part);
    else for (const part of parts) size += this.sizeOf(part);
    this.sizes.set(parts, size);
    return size;
  }

  /** {% set space.name = value %} does not pass through a result. */
  private checkNamespace({ assignee }: Branch, environment: Environment): void {
    const target = assignee as Branch;
    if (target.type === 'MemberExpression')
      this.spend(this.sizeOf(super.evaluate(target['object'] as Node, environment), true));
  }

  /** The operations that make much out of little, with their operands worked out and what they will make counted beforehand. */
  private foreseen(node: Branch, environment: Environment): Branch {
    if (node.type === 'FilterExpression' || node.type === 'FilterStatement') {
      const block = { type: 'Program', body: node['body'] } as unknown as Branch;
      const operand = this.evaluate(node.type === 'FilterStatement' ? block : (node['operand'] as Node), environment);
      return {
        type: 'FilterExpression',
        operand: held(operand),
        filter: this.foreseenCall(node['filter'] as Branch, operand, undefined, environment),
      } as unknown as Branch;
    }
    if (node.type !== 'CallExpression') return node;
    const callee = node['callee'] as Branch;
    if (callee.type !== 'MemberExpression') return node;
    const property = callee['property'] as Branch;
    if (property.type === 'SliceExpression') return node;
    const object = this.evaluate(callee['object'] as Node, environment);
    const name = callee['computed'] ? this.evaluate(property as Node, environment) : undefined;
    return this.foreseenCall(
      {
        ...node,
        callee: { ...callee, object: held(object), property: name ? held(name) : property },
      } as unknown as Branch,
      object,
      name ? String(name.value) : String(property['value']),
      environment,
    );
  }

  private foreseenCall(call: Branch, operand: Value, method: string | undefined, environment: Environment): Branch {
    if (call.type !== 'CallExpression') return call;
    const name = method ?? String((call['callee'] as Branch)['value']);
    if (!Object.hasOwn(GROWTH, name)) return call;
    const args = (call['args'] as Argument[]).map((argument) => {
      if (argument.type.endsWith('SpreadExpression'))
        return { ...argument, argument: held(this.evaluate(argument.argument as Node, environment)) };
      if (argument.type === 'KeywordArgumentExpression')
        return { ...argument, value: held(this.evaluate(argument.value as Node, environment)) };
      return held(this.evaluate(argument as Node, environment));
    });
    // Spread arguments are lists of what is meant: not told apart, all refused.
    if (args.some((argument) => argument.type.endsWith('SpreadExpression')))
      throw new TooMuchWork(`it spreads arguments over ${name}`);
    const values = args.map((argument) => (argument.type === HELD ? argument : (argument as Argument).value) as Branch);
    const plain = values.map((value) => (value['held'] as Value).value as unknown);
    if (GROWTH[name]!(this.sizeOf(operand, true), operand.value, plain) > LIMITS.text)
      throw new TooMuchWork('it makes a value that is too large');
    return { ...call, args } as unknown as Branch;
  }
}

const longest = (args: readonly unknown[]): number =>
  Math.max(0, ...args.map((it) => (typeof it === 'string' ? it.length : typeof it === 'number' ? Math.abs(it) : 0)));

/** At most so many characters come out of a filter or method that multiplies. */
const GROWTH: { readonly [name: string]: (size: number, operand: unknown, args: readonly unknown[]) => number } = {
  join: (size, operand, args) => size + ((operand as { length?: number } | null)?.length ?? 0) * longest(args),
  replace: (size, operand, args) => {
    const [from, to] = args;
    if (typeof operand !== 'string' || typeof from !== 'string' || typeof to !== 'string') return size;
    return size + operand.split(from).length * to.length;
  },
  indent: (size, operand, args) =>
    typeof operand === 'string' ? size + operand.split('\n').length * longest(args) : size,
  tojson: (size, _operand, args) => {
    const separators = args.flatMap((it) =>
      Array.isArray(it) ? it.map((part: Value) => part.value as unknown) : [it],
    );
    return (size / VALUE) * (VALUE + 64 * longest(separators));
  },
};

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
