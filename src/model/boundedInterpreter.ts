import { Environment, Interpreter } from '@huggingface/jinja';
import { pythonStrip } from './pythonStrip';

// A template is a program of a stranger's, so its work is bounded: the steps it takes, the size of every value it makes, and of all of
// them together. These bounds give the same answer on every machine.

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
const HELD = 'Held';
/** A node whose value is known. */
const held = (value: Value) => ({ type: HELD, held: value }) as unknown as Branch;

/** Runs a parsed template. */
export class BoundedInterpreter extends Interpreter {
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
      const ready = node && this.foreseen(node as Branch, environment);
      value = ready?.type === HELD ? (ready['held'] as Value) : super.evaluate(ready, environment);
    } finally {
      // A loop's continue is thrown.
      this.depth--;
    }
    if (value.type === 'FunctionValue' && node?.type === 'MemberExpression') checkMethod(node as Branch);
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

  /**
   * A node as it is to be evaluated. The operations that make much out of little get their operands worked out, and what they will make is
   * counted, beforehand. What the library does otherwise than Python is done here.
   */
  private foreseen(node: Branch, environment: Environment): Branch {
    if (node.type === 'FilterExpression' || node.type === 'FilterStatement') {
      const block = { type: 'Program', body: node['body'] } as unknown as Branch;
      const operand = this.evaluate(node.type === 'FilterStatement' ? block : (node['operand'] as Node), environment);
      const filter = node['filter'] as Branch;
      const name = String((filter.type === 'CallExpression' ? (filter['callee'] as Branch) : filter)['value']);
      let ready: Branch = filter;
      if (name === 'trim' || Object.hasOwn(GROWTH, name)) {
        const args = filter.type === 'CallExpression' ? this.argumentsOf(filter, environment) : [];
        const stripped = name === 'trim' ? strip('strip', operand, args) : undefined;
        if (stripped) return stripped;
        this.checkGrowth(name, operand, args);
        if (filter.type === 'CallExpression') ready = { ...filter, args } as unknown as Branch;
      }
      return { type: 'FilterExpression', operand: held(operand), filter: ready } as unknown as Branch;
    }
    if (node.type !== 'CallExpression') return node;
    const callee = node['callee'] as Branch;
    if (callee.type !== 'MemberExpression') return node;
    const property = callee['property'] as Branch;
    if (property.type === 'SliceExpression') return node;
    const object = this.evaluate(callee['object'] as Node, environment);
    const key = callee['computed'] ? this.evaluate(property as Node, environment) : undefined;
    const name = String(key ? key.value : property['value']);
    const args = this.argumentsOf(node, environment);
    if (name === 'strip' || name === 'lstrip' || name === 'rstrip') {
      const stripped = strip(name, object, args);
      if (stripped) return stripped;
    }
    this.checkGrowth(name, object, args);
    const method = { ...callee, object: held(object), property: key ? held(key) : property, called: true };
    return { ...node, args, callee: method } as unknown as Branch;
  }

  /** The arguments of a call, worked out. */
  private argumentsOf(call: Branch, environment: Environment): Branch[] {
    return (call['args'] as Branch[]).map((argument) => {
      const part = argument.type.endsWith('SpreadExpression') ? 'argument' : 'value';
      return argument.type.endsWith('SpreadExpression') || argument.type === 'KeywordArgumentExpression'
        ? ({ ...argument, [part]: held(this.evaluate(argument[part] as Node, environment)) } as unknown as Branch)
        : held(this.evaluate(argument, environment));
    });
  }

  private checkGrowth(name: string, operand: Value, args: readonly Branch[]): void {
    if (!Object.hasOwn(GROWTH, name)) return;
    // What they hold would have to be looked into.
    if (args.some((argument) => argument.type.endsWith('SpreadExpression')))
      throw new TooMuchWork(`it spreads arguments over ${name}`);
    if (GROWTH[name]!(this.sizeOf(operand, true), operand.value, args.map(plainValue)) > LIMITS.text)
      throw new TooMuchWork('it makes a value that is too large');
  }
}

/** A method in a variable would be called without its arguments being seen. */
function checkMethod(node: Branch): void {
  if (!node['called'] && (node['computed'] || Object.hasOwn(GROWTH, String((node['property'] as Branch)['value']))))
    throw new TooMuchWork('it takes a method for a value');
}

const textValue = (text: string): Value => new Environment().set('text', text);

/** The library takes blanks away as JavaScript has them, and looks at no argument. */
function strip(sides: 'strip' | 'lstrip' | 'rstrip', operand: Value, args: readonly Branch[]): Branch | undefined {
  const characters = args.length === 0 ? undefined : plainValue(args[0] as Branch);
  if (operand.type !== 'StringValue' || args.length > 1 || !['string', 'undefined'].includes(typeof characters))
    return undefined;
  return held(textValue(pythonStrip(operand.value as string, sides, characters as string | undefined)));
}

const plainValue = (argument: Branch): unknown =>
  ((argument.type === HELD ? argument : (argument['value'] as Branch))['held'] as Value).value;

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
