/** What is measured, in the order of the table. */
export const tasks = {
  cat: 'CAT step: attack, both losses, AdamW',
  capo: 'CAPO step',
  iteration: 'one iteration of the attack',
  candidates: 'losses of 64 candidate prompts',
  generate: 'greedy generation',
} as const;
export type Task = keyof typeof tasks;
