import type { Parsed, Path } from '../experiment/parse';

// Of config.json, what is no setting of the experiment.
const NO_SETTING = new Set(['file', 'hashes', '$schema', 'v', 'version']);

const isScalar = (value: unknown): boolean => value === null || typeof value !== 'object';

/** A config as rows, depth first; lists of plain values stay in one row. */
export function configRows(value: unknown, at: (string | number)[] = []): { at: (string | number)[]; value: string }[] {
  if (isScalar(value)) return [{ at, value: String(value) }];
  if (Array.isArray(value))
    return value.every(isScalar)
      ? [{ at, value: value.join(', ') }]
      : value.flatMap((item, index) => configRows(item, [...at, index]));
  return Object.entries(value as object)
    .filter(([key]) => at.length > 0 || !NO_SETTING.has(key))
    .flatMap(([key, inner]) => configRows(inner, [...at, key]));
}

/** The line that gives a path its value: its own, or that of a short form above it (`method: cat`); undefined for a default. */
export function lineOf(parsed: Parsed, path: Path): number | undefined {
  let here = parsed.value;
  for (let depth = 0; depth < path.length; depth++) {
    if (typeof here !== 'object' || here === null)
      // A plain value where the config has an object is the short form of its `name`.
      return path[depth] === 'name' ? parsed.rangeOf(path.slice(0, depth), 'key').line : undefined;
    const part = path[depth];
    if (part === undefined || !Object.hasOwn(here, part)) return undefined;
    here = (here as { [key: string | number]: unknown })[part];
  }
  return parsed.rangeOf(path, 'key').line;
}
