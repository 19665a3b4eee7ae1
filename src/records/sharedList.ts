/**
 * A list that grows without being copied, though nobody who holds one sees it change: it shows the first `length` of items that newer lists share.
 * Only the newest list pushes in place; an older one that is pushed to copies first.
 */
export class SharedList<T> {
  private array: readonly T[] | undefined;

  private constructor(
    readonly items: T[],
    readonly length: number,
  ) {}

  static from<T>(items: readonly T[]): SharedList<T> {
    return new SharedList(items.slice(), items.length);
  }

  at(index: number): T | undefined {
    return index < this.length ? this.items[index] : undefined;
  }

  push(item: T): SharedList<T> {
    const items = this.items.length === this.length ? this.items : this.items.slice(0, this.length);
    items.push(item);
    return new SharedList(items, this.length + 1);
  }

  /** The list with another entry at `index`; always a copy. */
  with(index: number, item: T): SharedList<T> {
    const items = this.items.slice(0, this.length);
    items[index] = item;
    return new SharedList(items, items.length);
  }

  filter(keeps: (item: T) => boolean): SharedList<T> {
    const array = this.toArray();
    const kept = array.filter(keeps);
    return kept.length === array.length ? this : new SharedList(kept, kept.length);
  }

  /** As an array of its own; made when first asked for. */
  toArray(): readonly T[] {
    this.array ??= this.items.slice(0, this.length);
    return this.array;
  }
}
