/** Mean log-probability of an adversarial row's harmful and safe answer under the model without adapter, on the clean prompt. */
export interface Reference {
  harmful: number;
  safe: number;
}

/**
 * The reference that belongs to each row. `matched`: its own. `reversed`: that of row N - 1 - i, as the released code of arXiv
 * 2405.15589 pairs them by mistake.
 */
export function orderReferences<T>(references: readonly T[], order: 'matched' | 'reversed'): readonly T[] {
  return order === 'matched' ? references : [...references].reverse();
}
