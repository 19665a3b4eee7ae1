import { Problem } from '../base/problem';
import { type ChatTemplate, makeChatTemplate } from './chatTemplate';
import type { Json } from './fields';
import { chooseTemplate } from './findTemplate';
import type { DecoderConfig } from './model';
import { type ModelFiles, modelFiles } from './modelFiles';
import { readConfig } from './readConfig';
import { makeTokenizer, type Tokenizer } from './tokenizer';

export interface OpenedTokenizer {
  config: DecoderConfig;
  tokenizer: Tokenizer;
  chat: ChatTemplate;
}

/**
 * All of a model but its weights: what checks and estimates need. `template`: as in the experiment file, see chooseTemplate.
 * @throws Problem on anything missing, broken or not supported.
 */
export function openTokenizer(place: string, template?: string): OpenedTokenizer {
  return tokenizerOf(modelFiles(place), template);
}

/** The same of files that were looked for already. */
export function tokenizerOf(files: ModelFiles, template?: string): OpenedTokenizer {
  const config = readConfig(files.config, files.configFile, files.generation);
  const tokenizer = makeTokenizer(files.tokenizer, files.settings, files.tokenizerFile);
  if (tokenizer.vocabularySize > config.vocabularySize)
    throw new Problem(
      'tokenizer',
      `the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, the model ${config.vocabularySize} tokens; they do not belong together.`,
      { file: files.tokenizerFile },
    );
  const chat = makeChatTemplate({
    ...chooseTemplate(files.templates, template),
    tokenizer,
    tokens: { ...specialTokens(files.specialTokens ?? {}), ...specialTokens(files.settings) },
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
