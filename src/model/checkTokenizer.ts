import type { Json } from './fields';

// tokenizer.json is a stranger's, and the library takes it as it comes: ids it indexes lists with, texts it repeats. What is checked here
// is what the tokenizers library of Python refuses as well, or would read otherwise.

/** More ids than any vocabulary has; the library makes a list as long as the highest. */
const MOST_IDS = 1 << 22;
const TYPES: readonly unknown[] = ['BPE', 'Unigram', 'WordPiece', 'WordLevel'];
/** So many times longer may the rules of a normalizer or decoder make a text. */
const MOST_GROWTH = 4096;

/**
 * The highest id of a parsed tokenizer.json, whose parts agree with each other.
 * @throws Error that says which part does not
 */
export function checkTokenizer(json: Json): number {
  const model = json['model'];
  if (!isObject(model)) throw new Error('it has no model');
  const { type } = model;
  // Old files do not say; anything else the library takes for a list of words.
  if (type === undefined ? model['merges'] === undefined : !TYPES.includes(type))
    throw new Error(`its type ${JSON.stringify(type) ?? ''} is not known; there are ${TYPES.join(', ')}`);
  const ids = vocabulary(model);
  const taken = new Map<number, string>();
  for (const [token, id] of ids) {
    const other = taken.get(id);
    if (other !== undefined) throw new Error(`id ${id} is that of ${quoted(other)} and of ${quoted(token)}`);
    taken.set(id, token);
  }
  if (model['merges'] !== undefined) checkMerges(model, ids);
  for (const [token, id] of addedTokens(json['added_tokens'])) {
    const other = taken.get(id);
    if (other !== undefined && other !== token)
      throw new Error(`id ${id} is that of ${quoted(other)} and of the added token ${quoted(token)}`);
    const known = ids.get(token);
    if (known !== undefined && known !== id) throw new Error(`${quoted(token)} has the ids ${known} and ${id}`);
    taken.set(id, token);
    ids.set(token, id);
  }
  for (const part of ['normalizer', 'pre_tokenizer', 'decoder'])
    if (growth(json[part]) > MOST_GROWTH) throw new Error(`its ${part} makes texts too long`);
  let highest = -1;
  for (const id of taken.keys()) highest = Math.max(highest, id);
  return highest;
}

function vocabulary(model: Json): Map<string, number> {
  const vocab = model['vocab'];
  if (Array.isArray(vocab)) {
    if (vocab.length > MOST_IDS) throw new Error('its vocabulary is too large');
    const ids = new Map<string, number>();
    vocab.forEach((entry: unknown, id) => {
      const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
      if (typeof token !== 'string' || typeof score !== 'number')
        throw new Error(`entry ${id} of its vocabulary is no token with a score`);
      // Unigram allows the same piece twice; the first is never reached.
      ids.set(ids.has(token) ? `${token}\0${id}` : token, id);
    });
    const unknown = model['unk_id'];
    if (typeof unknown === 'number' && !(Number.isInteger(unknown) && unknown >= 0 && unknown < vocab.length))
      throw new Error(`its unk_id ${unknown} is not in the vocabulary`);
    return ids;
  }
  if (!isObject(vocab)) throw new Error('its vocabulary is no object');
  return new Map(Object.entries(vocab).map(([token, id]) => [token, checkedId(id, token)]));
}

function checkMerges(model: Json, ids: ReadonlyMap<string, number>): void {
  const merges = model['merges'];
  if (!Array.isArray(merges)) throw new Error('its merges are no list');
  const prefix = model['continuing_subword_prefix'];
  const skipped = typeof prefix === 'string' ? prefix.length : 0;
  for (const [i, merge] of merges.entries()) {
    const pair: unknown[] =
      typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? (merge as unknown[]) : [];
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== 'string' || typeof right !== 'string')
      throw new Error(`merge ${i} is no pair of tokens`);
    for (const token of [left, right, left + right.slice(skipped)])
      if (!ids.has(token)) throw new Error(`merge ${i} names ${quoted(token)}, which is not in the vocabulary`);
  }
}

function addedTokens(list: unknown): [token: string, id: number][] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new Error('its added_tokens are no list');
  return list.map((one: unknown, i) => {
    const { content, id } = isObject(one) ? one : ({} as Json);
    if (typeof content !== 'string' || content === '') throw new Error(`added token ${i} has no content`);
    return [content, checkedId(id, content)];
  });
}

function checkedId(id: unknown, token: string): number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MOST_IDS)
    throw new Error(`the id of ${quoted(token)} is ${JSON.stringify(id) ?? 'missing'}`);
  return id;
}

/** How many times longer the texts that a part writes can make what it is given. */
function growth(part: unknown): number {
  if (Array.isArray(part)) return part.reduce<number>((product, one) => product * growth(one), 1);
  if (!isObject(part)) return 1;
  let product = 1;
  for (const [name, value] of Object.entries(part)) {
    if (name === 'pattern' || name === 'precompiled_charsmap') continue;
    product *= typeof value === 'string' && WRITTEN.includes(name) ? Math.max(1, value.length) : growth(value);
  }
  return product;
}
const WRITTEN: readonly string[] = ['content', 'prepend', 'replacement', 'str_rep'];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const quoted = (token: string): string => JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}...` : token);
