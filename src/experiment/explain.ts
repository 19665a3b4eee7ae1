import type { z } from 'zod';
import type { Fix } from '../base/problem';
import { alternatives, experimentJsonSchema, type JsonNode, keysAt, nodeAt } from './jsonSchema';
import { nearest } from './nearest';
import type { Path } from './parse';

type Issue = z.core.$ZodIssue;

/** A problem at a path, before its place in the text is known. `part`: whether the key or the value is wrong. */
export interface PlacedProblem {
  code: string;
  message: string;
  severity: 'error' | 'warning';
  at: Path;
  part: 'key' | 'value';
  fix?: Fix;
}

/** A path as people write it: `evaluation.attacks[0].epsilon`. */
export function pathText(path: Path): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

const WORDS: { readonly [type: string]: string } = {
  number: 'a number',
  integer: 'a whole number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of settings (name: value)',
};

/** A value as a message shows it, cut where it is long. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a group of settings';
  if (typeof value !== 'string') return String(value);
  return `'${value.length > 40 ? `${value.slice(0, 40)}...` : value}'`;
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;

/** What a node of the schema expects, in words. */
export function expectation(node: JsonNode): string {
  const all = alternatives(node);
  if (all.length > 1 || node.oneOf || node.anyOf) {
    const groups = all.filter((it) => it.type !== 'object' || it.properties?.name === undefined);
    const words = groups.map(expectation);
    if (groups.length < all.length) words.push('a group of settings with a name');
    return listed(words);
  }
  if (node.const !== undefined) return shown(node.const);
  if (node.enum) return listed(node.enum.map(shown));
  if (node.type === 'array' && node.items)
    return node.items.type === 'number'
      ? 'a list of numbers'
      : node.items.type === 'string'
        ? 'a list of names'
        : 'a list';
  return WORDS[node.type ?? ''] ?? 'something else';
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (it, part) =>
      typeof it === 'object' && it !== null ? (it as { [key: string | number]: unknown })[part] : undefined,
    value,
  );

/** Every path of the schema that ends in this key, for keys that were put in the wrong group. */
function homesOf(key: string): string[] {
  const homes: string[] = [];
  const visit = (node: JsonNode, path: string): void => {
    for (const it of alternatives(node)) {
      for (const [name, child] of Object.entries(it.properties ?? {})) {
        if (name === key && path !== '' && !homes.includes(path)) homes.push(path);
        visit(child, path === '' ? name : `${path}.${name}`);
      }
      if (it.items) visit(it.items, `${path}[]`);
    }
  };
  visit(experimentJsonSchema(), '');
  return homes;
}

function unknownKey(key: string, group: Path, value: unknown): PlacedProblem {
  const choices = keysAt(group, value).map((it) => it.name);
  const where = group.length > 0 ? `in '${pathText(group)}'` : 'at the top of the file';
  const written = valueAt(value, group);
  const taken = typeof written === 'object' && written !== null ? Object.keys(written) : [];
  const base = { code: 'unknownKey', severity: 'error', at: [...group, key], part: 'key' } as const;
  const meant = nearest(key, choices);
  if (meant !== undefined && !taken.includes(meant))
    return {
      ...base,
      message: `Unknown setting '${key}' ${where}; did you mean '${meant}'?`,
      fix: { kind: 'rename', title: `Rename to '${meant}'`, name: meant },
    };
  const remove: Fix = { kind: 'remove', title: `Remove '${key}'` };
  if (meant !== undefined)
    return {
      ...base,
      message: `Unknown setting '${key}' ${where}; '${meant}' is there already: remove this one.`,
      fix: remove,
    };
  const homes = homesOf(key).filter((it) => it !== pathText(group));
  const kind = typeof written === 'object' && written !== null ? (written as { name?: unknown }).name : written;
  if (homes.length === 0 && homesOf(key).length > 0 && typeof kind === 'string')
    return { ...base, message: `'${kind}' has no setting '${key}'; it has: ${choices.join(', ')}.`, fix: remove };
  const move =
    homes.length > 0 ? ` It belongs under ${listed(homes.slice(0, 3).map((it) => `'${it}'`))}: move it there.` : '';
  return {
    ...base,
    message: `Unknown setting '${key}' ${where}.${move || ` Known here: ${choices.join(', ') || 'none'}.`}`,
    fix: remove,
  };
}

function wrongValue(at: Path, found: unknown, node: JsonNode | undefined, expected: string): PlacedProblem {
  const name = pathText(at);
  const base = { severity: 'error', at, part: 'value' } as const;
  const choices = node ? alternatives(node).flatMap((it) => it.enum ?? (it.const === undefined ? [] : [it.const])) : [];
  const words = choices.filter((it) => typeof it === 'string');
  if (typeof found === 'string' && words.length > 0) {
    const meant = nearest(found, words);
    const guess = meant === undefined ? '' : `; did you mean '${meant}'?`;
    return {
      ...base,
      code: 'unknownValue',
      message: `'${name}' must be ${expected}, found ${shown(found)}${guess || '.'}`,
      fix: meant === undefined ? undefined : { kind: 'set', title: `Change to '${meant}'`, value: meant },
    };
  }
  const number = typeof found === 'string' && found.trim() !== '' ? Number(found) : Number.NaN;
  const wantsNumber =
    node !== undefined && alternatives(node).some((it) => it.type === 'number' || it.type === 'integer');
  const fix: Fix | undefined =
    wantsNumber && Number.isFinite(number) ? { kind: 'set', title: `Change to ${number}`, value: number } : undefined;
  const kind = typeof found === 'string' ? 'text ' : '';
  return { ...base, code: 'wrongType', message: `'${name}' must be ${expected}, found ${kind}${shown(found)}.`, fix };
}

function outOfRange(issue: Issue & { code: 'too_small' | 'too_big' }, at: Path, found: unknown): PlacedProblem {
  const small = issue.code === 'too_small';
  const bound = Number(small ? issue.minimum : issue.maximum);
  const base = { code: 'outOfRange', severity: 'error', at, part: 'value' } as const;
  const name = pathText(at);
  if (issue.origin === 'string' || issue.origin === 'array')
    return {
      ...base,
      message: `'${name}' must not be empty: give at least one ${issue.origin === 'array' ? 'entry' : 'character'}.`,
    };
  const how = issue.inclusive ? (small ? 'at least' : 'at most') : small ? 'greater than' : 'less than';
  return {
    ...base,
    message: `'${name}' must be ${how} ${bound}, found ${shown(found)}.`,
    fix: issue.inclusive ? { kind: 'set', title: `Change to ${bound}`, value: bound } : undefined,
  };
}

function badName(at: Path, found: unknown): PlacedProblem {
  const name = String(found)
    .replace(/^[^A-Za-z0-9]+/, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/-+$/, '')
    .slice(0, 64);
  return {
    code: 'badName',
    severity: 'error',
    at,
    part: 'value',
    message: `'${pathText(at)}' becomes a folder's name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit; found ${shown(found)}.`,
    fix: name === '' ? undefined : { kind: 'set', title: `Change to '${name}'`, value: name },
  };
}

/** One issue of zod's as problems: one each, but for a list of unknown keys, which gives one per key. */
function explainIssue(issue: Issue, prefix: Path, value: unknown): PlacedProblem[] {
  const at: Path = [...prefix, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  const found = valueAt(value, at);
  const node = nodeAt(at, value);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, at, value));
    case 'too_small':
    case 'too_big':
      return [outOfRange(issue, at, found)];
    case 'invalid_format':
      return [badName(at, found)];
    case 'invalid_union': {
      const short = valueAt(value, at.slice(0, -1));
      // `method: cta`: the name stands where the group would
      if (issue.discriminator !== undefined && typeof short === 'string')
        return [wrongValue(at.slice(0, -1), short, node, node ? expectation(node) : 'a name')];
      // the branch whose own kind fits says best what is wrong inside it
      const deeper = (issue.errors ?? []).filter((branch) =>
        branch.every((it) => it.path.length > 0 || it.code === 'too_small'),
      );
      if (deeper.length === 1 && deeper[0]) return deeper[0].flatMap((it) => explainIssue(it, at, value));
    }
  }
  const description = node?.description ? ` (${node.description.split('. ')[0]?.replace(/\.$/, '')})` : '';
  if (found === null && at.length > 0) {
    const optional =
      node?.default !== undefined ||
      !keysAt(at.slice(0, -1), value).find((it) => it.name === at[at.length - 1])?.required;
    const message = `'${pathText(at)}' has no value: write ${node ? expectation(node) : 'one'}${optional ? ', or remove the line' : ''}.`;
    return [{ code: 'missing', severity: 'error', at, part: 'key', message }];
  }
  if (found === undefined || found === null) {
    const last = at[at.length - 1];
    const group = at.slice(0, -1);
    const where = group.length > 0 ? `'${pathText(group)}' needs` : 'The file needs';
    const values = node && (node.enum || node.const !== undefined || node.oneOf) ? `: ${expectation(node)}` : '';
    const message =
      at.length === 0
        ? 'The file is empty: it needs at least model, method and data.'
        : `${where} '${last}'${description}${values}.`;
    return [{ code: 'missing', severity: 'error', at, part: 'key', message }];
  }
  const expected = node
    ? expectation(node)
    : issue.code === 'invalid_type'
      ? (WORDS[issue.expected] ?? issue.expected)
      : '';
  if (at.length === 0)
    return [
      {
        code: 'wrongType',
        severity: 'error',
        at,
        part: 'value',
        message: `An experiment file is a group of settings (name: value), found ${shown(found)}.`,
      },
    ];
  return [wrongValue(at, found, node, expected || 'something else')];
}

/** What zod found wrong with `value`, as sentences with paths. A missing key whose misspelling is there is not said twice. */
export function explain(issues: readonly Issue[], value: unknown): PlacedProblem[] {
  const all = issues.flatMap((issue) => explainIssue(issue, [], value));
  const renamed = new Set(
    all.flatMap((it) => (it.fix?.kind === 'rename' ? [pathText([...it.at.slice(0, -1), it.fix.name])] : [])),
  );
  return all.filter((it) => it.code !== 'missing' || !renamed.has(pathText(it.at)));
}
