import { Problem } from '../base/problem';

export type Json = { readonly [key: string]: unknown };

/** Reads fields of a parsed JSON object and says which one is wrong. Null is as good as absent. */
export class Fields {
  /** `names`: the file's own names of fields, by the names they are asked for. */
  constructor(
    private readonly json: Json,
    private readonly file: string,
    private readonly path = '',
    private readonly names: { readonly [asked: string]: string } = {},
  ) {}

  private get(name: string): unknown {
    return this.json[this.nameOf(name)] ?? undefined;
  }

  private nameOf(name: string): string {
    return Object.hasOwn(this.names, name) ? (this.names[name] as string) : name;
  }

  keys(): string[] {
    return Object.keys(this.json);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  wrong(name: string, expected: string): Problem {
    const text = JSON.stringify(this.get(name)) ?? 'nothing';
    const found = text.length > 80 ? `${text.slice(0, 80)}...` : text;
    return new Problem('modelConfig', `${this.path}${this.nameOf(name)} must be ${expected}, found ${found}.`, {
      file: this.file,
    });
  }

  number(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback;
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
      throw this.wrong(name, 'a positive number');
    return value;
  }

  optional(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  count(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (!Number.isSafeInteger(value)) throw this.wrong(name, 'a positive whole number');
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.get(name) ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false');
    return value;
  }

  text(name: string, fallback?: string): string {
    const value = this.get(name) ?? fallback;
    if (typeof value !== 'string') throw this.wrong(name, 'a string');
    return value;
  }

  numbers(name: string, length: number): number[] {
    const value = this.get(name);
    if (!Array.isArray(value) || value.length !== length || !value.every((n) => typeof n === 'number' && n > 0))
      throw this.wrong(name, `a list of ${length} positive numbers`);
    return value as number[];
  }

  ids(name: string): number[] {
    const value = this.get(name) ?? [];
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.map((id) => {
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
        throw this.wrong(name, 'a token id or a list of them');
      return id;
    });
  }

  list(name: string): readonly unknown[] | undefined {
    if (!this.has(name)) return undefined;
    const value = this.get(name);
    if (!Array.isArray(value)) throw this.wrong(name, 'a list');
    return value;
  }

  object(name: string): Fields | undefined {
    if (!this.has(name)) return undefined;
    const value = this.get(name);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong(name, 'an object');
    return new Fields(value as Json, this.file, `${this.path}${this.nameOf(name)}.`);
  }
}
