import { z } from 'zod';
import type { Path } from './parse';
import { experimentSchema } from './schema';

/** The part of JSON Schema (draft 7) that our schema makes, with the keywords of ours that editors overlook. */
export interface JsonNode {
  type?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  minItems?: number;
  pattern?: string;
  properties?: { [name: string]: JsonNode };
  required?: string[];
  additionalProperties?: boolean;
  items?: JsonNode;
  oneOf?: JsonNode[];
  anyOf?: JsonNode[];
  /** Unit of a number. */
  unit?: string;
  /** Where the paper (arXiv 2405.15589) or its released code says so. */
  paper?: string;
  /** What each value of an enum does, by value. */
  values?: { [value: string]: string };
  /** A short form that is accepted too. */
  shorthand?: JsonNode;
  $schema?: string;
  title?: string;
}

let made: JsonNode | undefined;

/** JSON Schema of an experiment file, draft 7, which editors know best. Made once. */
export function experimentJsonSchema(): JsonNode {
  made ??= z.toJSONSchema(experimentSchema, {
    io: 'input',
    target: 'draft-7',
    reused: 'inline',
    override({ jsonSchema }) {
      const node = jsonSchema as JsonNode;
      // the bounds of exact whole numbers are no rule of ours
      if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
      if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
      if (node.shorthand) {
        const { shorthand, description, unit, paper, default: fallback, ...rest } = node;
        const full: JsonNode[] = node.oneOf ?? [rest];
        for (const key of Object.keys(node)) delete node[key as keyof JsonNode];
        const whole: JsonNode = { description, unit, paper, default: fallback, oneOf: [shorthand, ...full] };
        Object.assign(node, JSON.parse(JSON.stringify(whole)));
      }
    },
  }) as JsonNode;
  return made;
}

/** The shapes that a node allows: itself, or its alternatives. */
export const alternatives = (node: JsonNode): JsonNode[] => node.oneOf ?? node.anyOf ?? [node];

/** The alternatives that fit what is written there: by the name of a tagged union, else all objects (for keys) or lists (for numbers). */
function fitting(node: JsonNode, value: unknown): JsonNode[] {
  const all = alternatives(node);
  const name = typeof value === 'string' ? value : (value as { name?: unknown } | null | undefined)?.name;
  const tagged = all.filter((it) => it.properties?.name?.const !== undefined && it.properties.name.const === name);
  return tagged.length > 0 ? tagged : all;
}

/** A key that may stand in an object, with what the schema says of it. */
export interface KeyChoice {
  name: string;
  node: JsonNode;
  required: boolean;
}

const inner = (value: unknown, part: string | number): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, part)
    ? (value as { [key: string | number]: unknown })[part]
    : undefined;

/** The schema's node at a path; `value` (of the whole file) tells which alternative of a union is meant. Undefined where nothing may stand. */
export function nodeAt(path: Path, value?: unknown): JsonNode | undefined {
  let nodes: JsonNode[] = [experimentJsonSchema()];
  let here = value;
  for (const part of path) {
    const next: JsonNode[] = [];
    for (const node of nodes.flatMap((it) => fitting(it, here))) {
      const found = typeof part === 'number' ? node.items : node.properties?.[part];
      if (found && (typeof part === 'number' || Object.hasOwn(node.properties ?? {}, part))) next.push(found);
    }
    nodes = next;
    here = inner(here, part);
  }
  if (nodes.length <= 1) return nodes[0];
  // the same key of several alternatives, e.g. `name` before a method is chosen: one node that allows what any of them does
  const values = nodes.flatMap((it) => (it.const !== undefined ? [it.const] : (it.enum ?? [])));
  return values.length > 0 ? { type: nodes[0]?.type, enum: [...new Set(values)] } : nodes[0];
}

/** The keys that may stand in the object at a path. */
export function keysAt(path: Path, value?: unknown): KeyChoice[] {
  const node = nodeAt(path, value);
  if (!node) return [];
  const here = path.reduce<unknown>((it, part) => inner(it, part), value);
  const found = new Map<string, KeyChoice>();
  for (const it of fitting(node, here))
    for (const [name, child] of Object.entries(it.properties ?? {}))
      if (!found.has(name)) found.set(name, { name, node: child, required: it.required?.includes(name) ?? false });
  return [...found.values()];
}
