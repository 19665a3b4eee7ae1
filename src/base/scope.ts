export type Closable = { close(): void } | { dispose(): void } | (() => void);

function close(it: Closable): void {
  if (typeof it === 'function') it();
  else if ('close' in it) it.close();
  else it.dispose();
}

/** Owns things and closes them in reverse order. Closing twice is harmless; owning after closing closes at once. */
export class Scope {
  private owned: Closable[] = [];
  private closed = false;

  own<T extends Closable>(it: T): T {
    if (this.closed) close(it);
    else this.owned.push(it);
    return it;
  }

  close(): void {
    this.closed = true;
    const errors: unknown[] = [];
    for (const it of this.owned.splice(0).reverse()) {
      try {
        close(it);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
