import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChatTemplate, type Message, makeChatTemplate } from '../../src/model/chatTemplate';
import type { Json } from '../../src/model/fields';
import { makeTokenizer, type Tokenizer } from '../../src/model/tokenizer';
import { goldenFolder } from './golden';

// What test/golden/makeChatGolden.py wrote; it says what each thing is.

export interface GoldenChat {
  system: string | null;
  user: string;
  answer: string | null;
}

export const chatGolden = JSON.parse(readFileSync(join(goldenFolder, 'chat.json'), 'utf8')) as {
  chats: GoldenChat[];
  tokenizers: {
    [tokenizer: string]: {
      texts: { text: string; ids: number[]; special: number[]; decoded: string }[];
      templates: { [template: string]: (number[] | null)[] };
    };
  };
};

export const chatFolder = join(goldenFolder, 'chat');
const read = (...path: string[]): Json => JSON.parse(readFileSync(join(chatFolder, ...path), 'utf8')) as Json;

export const tokenizerJson = (name: string): Json => read(name, 'tokenizer.json');

export const openGoldenTokenizer = (name: string): Tokenizer =>
  makeTokenizer(tokenizerJson(name), read(name, 'tokenizer_config.json'), name);

export const templateText = (name: string): string => readFileSync(join(chatFolder, `${name}.jinja`), 'utf8');

export function openGoldenTemplate(tokenizerName: string, tokenizer: Tokenizer, template: string): ChatTemplate {
  const { bos_token, eos_token } = read(tokenizerName, 'tokenizer_config.json') as { [name: string]: string };
  return makeChatTemplate({
    template,
    file: 'x',
    tokenizer,
    tokens: { bos_token: bos_token!, eos_token: eos_token! },
    eosIds: [tokenizer.idOf(eos_token!)!],
  });
}

export const messagesOf = ({ system, user }: GoldenChat): Message[] => [
  ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
  { role: 'user', content: user },
];
