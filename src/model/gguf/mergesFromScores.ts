/** Longer pieces are no words of a language; a file that has them would make the search slow. */
const LONGEST = 256;

/**
 * The merges of a SentencePiece model, best first: every split of a token into two tokens, by the score of the whole, then as
 * transformers orders them (its generate_merges: lengths of the halves, longer first; equal ones by the ids of their halves).
 */
export function mergesFromScores(
  tokens: readonly string[],
  vocabulary: { readonly [token: string]: number },
  scores: ArrayLike<number>,
): [string, string][] {
  const merges: { left: string; right: string; score: number; lengths: readonly [number, number] }[] = [];
  tokens.forEach((token, id) => {
    const letters = [...token];
    if (letters.length < 2 || letters.length > LONGEST) return;
    const own: { left: string; right: string; ids: readonly [number, number]; cut: number }[] = [];
    for (let cut = 1; cut < letters.length; cut++) {
      const [left, right] = [letters.slice(0, cut).join(''), letters.slice(cut).join('')];
      const [first, second] = [vocabulary[left], vocabulary[right]];
      if (first !== undefined && second !== undefined) own.push({ left, right, ids: [first, second], cut });
    }
    own.sort((a, b) => a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]);
    for (const { left, right, cut } of own)
      merges.push({ left, right, score: scores[id] as number, lengths: [cut, letters.length - cut] });
  });
  merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]);
  return merges.map(({ left, right }) => [left, right]);
}
