/** Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row[j] = cost;
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Names that other tools use for our settings. Spelled without case, dashes and underscores. */
const FOREIGN: { readonly [name: string]: string } = {
  lr: 'learningRate',
  eps: 'epsilon',
  epsabs: 'epsilon',
  radius: 'epsilon',
  iters: 'iterations',
  numiters: 'iterations',
  attackiters: 'iterations',
  attacksteps: 'iterations',
  steps: 'iterations',
  alpha: 'stepSize',
  attacklr: 'stepSize',
  r: 'rank',
  lorar: 'rank',
  lorarank: 'rank',
  loraalpha: 'alpha',
  loradropout: 'dropout',
  targetmodules: 'targets',
  batchsize: 'rows',
  perdevicetrainbatchsize: 'rows',
  gradientaccumulationsteps: 'accumulation',
  gradaccum: 'accumulation',
  maxgradnorm: 'clipNorm',
  gradientclip: 'clipNorm',
  maxsteps: 'steps',
  numtrainepochs: 'epochs',
  maxseqlength: 'maxLength',
  maxseqlen: 'maxLength',
  lrscheduler: 'schedule',
  lrschedulertype: 'schedule',
  warmup: 'warmupSteps',
  awayweightcoefficient: 'awayWeight',
  defense: 'method',
  algorithm: 'method',
  systemprompt: 'system',
  chattemplate: 'template',
  chattemplatepath: 'template',
  eval: 'evaluation',
  train: 'training',
  optimiser: 'optimizer',
  normalised: 'normalized',
};

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ .]/g, '');

/** The word that was probably meant: the same but for spelling, another tool's name for it, its abbreviation, or few edits away. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const typed = plain(word);
  if (typed === '') return undefined;
  const same = words.find((it) => plain(it) === typed);
  if (same) return same;
  const foreign = FOREIGN[typed];
  if (foreign !== undefined && words.includes(foreign)) return foreign;
  const allowed = Math.max(1, Math.floor(typed.length / 3));
  let best: string | undefined;
  let least = allowed + 1;
  for (const it of words) {
    const distance = editDistance(typed, plain(it));
    if (distance < least) [best, least] = [it, distance];
  }
  if (best !== undefined) return best;
  const longer =
    typed.length >= 3 ? words.filter((it) => plain(it).startsWith(typed) || typed.startsWith(plain(it))) : [];
  return longer.length === 1 ? longer[0] : undefined;
}
