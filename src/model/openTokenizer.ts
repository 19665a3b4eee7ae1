import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../base/problem';
import { type ChatTemplate, makeChatTemplate } from './chatTemplate';
import type { Json } from './fields';
import { findTemplate } from './findTemplate';
import type { DecoderConfig } from './model';
import { readConfig } from './readConfig';
import { neededModelJson, readModelJson } from './readModelJson';
import { makeTokenizer, type Tokenizer } from './tokenizer';

/**
 * All of a model folder but its weights: what checks and estimates need. `template`: as in the experiment file, see findTemplate.
 * @throws Problem on anything missing, broken or not supported.
 */
export function openTokenizer(
  folder: string,
  template?: string,
): { config: DecoderConfig; tokenizer: Tokenizer; chat: ChatTemplate } {
  if (!existsSync(folder)) throw new Problem('modelFolder', 'there is no such model folder.', { file: folder });
  const generation = readModelJson(folder, 'generation_config.json');
  const config = readConfig(neededModelJson(folder, 'config.json'), join(folder, 'config.json'), generation);
  const settings = readModelJson(folder, 'tokenizer_config.json') ?? {};
  const file = join(folder, 'tokenizer.json');
  const tokenizer = makeTokenizer(neededModelJson(folder, 'tokenizer.json'), settings, file);
  if (tokenizer.vocabularySize > config.vocabularySize)
    throw new Problem(
      'tokenizer',
      `the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, the model ${config.vocabularySize} tokens; they do not belong together.`,
      { file },
    );
  const chat = makeChatTemplate({
    ...findTemplate(folder, settings, template),
    tokenizer,
    tokens: { ...specialTokens(readModelJson(folder, 'special_tokens_map.json') ?? {}), ...specialTokens(settings) },
    eosIds: config.eosIds,
  });
  return { config, tokenizer, chat };
}

/** bos_token and its like as texts; in the file they are texts or objects with a content. */
function specialTokens(settings: Json): { [name: string]: string } {
  const tokens: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(settings)) {
    if (!name.endsWith('_token')) continue;
    const content = typeof value === 'object' && value !== null ? (value as Json)['content'] : value;
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}
