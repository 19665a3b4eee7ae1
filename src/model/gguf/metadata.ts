import { Problem } from '../../base/problem';
import type { Gguf, GgufValue } from './readGguf';

/** Reads values of a GGUF file's metadata and says which one is wrong. Keys that begin with a dot are the architecture's own. */
export class Metadata {
  readonly architecture: string;

  constructor(
    private readonly header: Gguf,
    readonly file: string,
  ) {
    this.architecture = '';
    this.architecture = this.text('general.architecture');
  }

  private keyOf(key: string): string {
    return key.startsWith('.') ? this.architecture + key : key;
  }

  private get(key: string): GgufValue | undefined {
    return this.header.metadata.get(this.keyOf(key));
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  wrong(key: string, expected: string): Problem {
    const value = this.get(key);
    const found = value === undefined ? 'nothing' : typeof value === 'object' ? 'a list' : String(value).slice(0, 80);
    return new Problem('gguf', `${this.keyOf(key)} must be ${expected}, found ${found}.`, { file: this.file });
  }

  number(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw this.wrong(key, 'a number');
  }

  needed(key: string): number {
    const value = this.number(key);
    if (value === undefined) throw this.wrong(key, 'a number');
    return value;
  }

  flag(key: string): boolean | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false');
  }

  /** undefined where it is no list. */
  flags(key: string): readonly boolean[] | undefined {
    const value = this.get(key);
    if (!Array.isArray(value)) return undefined;
    if (!value.every((item) => typeof item === 'boolean')) throw this.wrong(key, 'a list of true and false');
    return value as readonly boolean[];
  }

  optionalText(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(key, 'a text');
  }

  text(key: string): string {
    const value = this.optionalText(key);
    if (value === undefined) throw this.wrong(key, 'a text');
    return value;
  }

  texts(key: string): readonly string[] {
    const value = this.get(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw this.wrong(key, 'a list of texts');
    return value as readonly string[];
  }

  /** undefined where the key is absent. */
  numbers(key: string): ArrayLike<number> | undefined {
    const value = this.get(key);
    if (value === undefined || value instanceof Float32Array) return value;
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'number'))
      throw this.wrong(key, 'a list of numbers');
    return value as readonly number[];
  }
}
