import { Problem } from '../base/problem';
import { encodeBehind, sharedEnd, sharedStart } from './encodeBehind';
import { compileJinja, type Jinja, TooMuchWork } from './jinja';
import type { Tokenizer } from './tokenizer';

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** What an answer is given to. */
export interface Chat {
  system?: string;
  user: string;
}

/** A prompt ready for an answer. ids[userStart..userEnd) are the user's words; a token that mixes them with the template counts. */
export interface RenderedChat {
  ids: number[];
  userStart: number;
  userEnd: number;
}

/**
 * Renders chats by the model's own template. The ids of a prompt are those that the model is given when it is asked, whatever the answer;
 * an answer's follow them, so that both together are the ids of the whole chat, up to and including its end marker. Only where the
 * tokenizer would join the prompt's end with the answer's beginning do they differ: a model that is asked can never give such a token.
 */
export interface ChatTemplate {
  /** Ids up to and including what precedes the assistant's answer. @throws Problem `chatTemplate` */
  prompt(messages: readonly Message[]): number[];
  render(chat: Chat): RenderedChat;
  /**
   * An answer as the template writes it (some trim it) with its end marker as the last id. With `end` false an opening that the model is to
   * go on from, taken as it is. `after`: what it answers; the same for nearly every template.
   */
  answerIds(text: string, options?: { end?: boolean; after?: Chat }): number[];
  /** Whether there is a template; without one every use is a Problem. */
  readonly hasTemplate: boolean;
  /** The id that ends an answer. */
  readonly endId: number;
}

/** See ChatTemplate.render. */
export function renderChat(model: { chat: ChatTemplate }, chat: Chat): RenderedChat {
  return model.chat.render(chat);
}

/** See ChatTemplate.answerIds. */
export function encodeAnswer(
  model: { chat: ChatTemplate },
  text: string,
  options?: { end?: boolean; after?: Chat },
): number[] {
  return model.chat.answerIds(text, options);
}

export interface ChatTemplateSource {
  /** The Jinja text; undefined where there is none: every use is then a Problem. */
  template?: string;
  file: string;
  tokenizer: Tokenizer;
  /** Special tokens as the template may name them: bos_token, eos_token, ... */
  tokens: { readonly [name: string]: string };
  eosIds: readonly number[];
}

const NONE =
  'the model has no chat template: name one in the experiment, `template: FILE.jinja`, ' +
  'use a chat model, or data with a text column instead of prompts.';

// Stand in for a text to find where the template puts it. Plain words: templates trim and test their contents.
const USER = 'SPARRINGUSER';
const ANSWER = 'SPARRINGANSWER';

/** @throws Problem `chatTemplate` where the template is no Jinja; everything else when it is used. */
export function makeChatTemplate(source: ChatTemplateSource): ChatTemplate {
  const { tokenizer, file, template } = source;
  const problem = (what: string) => new Problem('chatTemplate', what, { file });
  const compiled = template === undefined ? undefined : compile(template, problem);
  // A row needs the same few texts again and again, and most rows the same beginning and end.
  const encode = memoized((rendered) => tokenizer.encode(rendered));

  const text = (messages: readonly Message[], open: boolean): string => {
    if (!compiled) throw problem(NONE);
    try {
      return compiled.render({
        ...source.tokens,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: open,
        tools: null,
        documents: null,
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof TooMuchWork) throw problem(`the chat template does too much work: ${why}; use another one.`);
      const roles = messages.map((message) => message.role).join(', ');
      throw problem(`the chat template refused the messages ${roles}: ${why}`);
    }
  };

  let last: { chat: Chat; text: string } | undefined;
  const asked = (chat: Chat): string => {
    if (last?.chat.user !== chat.user || last.chat.system !== chat.system) last = { chat, text: ask(chat) };
    return last.text;
  };
  const ask = (chat: Chat): string => {
    const { system, user } = chat;
    if (system === undefined) return text(messagesOf(chat), true);
    const without = () => text(messagesOf({ user }), true);
    let written: string;
    try {
      written = text(messagesOf(chat), true);
    } catch (error) {
      // Without a system prompt it may fail as well, and says why.
      without();
      throw new Problem(
        'chatTemplate',
        `the chat template takes no system prompt: leave \`system\` away (${error instanceof Error ? error.message : String(error)})`,
        { at: ['system'] },
      );
    }
    if (written === without() && system.trim() !== '' && !written.includes(system.trim()))
      throw new Problem(
        'chatTemplate',
        'the chat template takes no system prompt, it leaves it out without a word: leave `system` away.',
        { at: ['system'] },
      );
    return written;
  };

  const render = (chat: Chat): RenderedChat => {
    const whole = asked(chat);
    const mark = unused(USER, `${template}${chat.system}`);
    let [before, after] = around(text(messagesOf({ ...chat, user: mark }), true), mark);
    // Where there are no words, a template may take the blanks around them away as well.
    if (
      chat.user.trim() === '' &&
      before !== undefined &&
      after !== undefined &&
      !(whole.startsWith(before) && whole.endsWith(after))
    )
      [before, after] = [before.trimEnd(), after.trimStart()];
    if (
      before === undefined ||
      after === undefined ||
      whole.length < before.length + after.length ||
      !whole.startsWith(before) ||
      !whole.endsWith(after)
    )
      throw problem("the chat template does not write the user's words in one piece, so they cannot be told apart.");
    const ids = encode(whole);
    const userStart = sharedStart(ids, encode(before));
    const through = encode(whole.slice(0, whole.length - after.length));
    // Where a token lies across the end, it and what else is not the template's alone count as the user's.
    const userEnd =
      sharedStart(ids, through) === through.length
        ? Math.max(userStart, through.length)
        : ids.length - Math.min(sharedEnd(ids, encode(after)), ids.length - userStart);
    return { ids: [...ids], userStart, userEnd };
  };

  /** What the template writes between a prompt and its answer, and after the answer; `closing` goes up to the end marker. */
  const frameOf = (chat: Chat, open: string) => {
    const mark = unused(ANSWER, `${template}${chat.system}${chat.user}`);
    const [before, after] = around(text([...messagesOf(chat), { role: 'assistant', content: mark }], false), mark);
    if (before === undefined || after === undefined || !before.startsWith(open))
      throw problem(
        'the chat template writes an answer otherwise than it asks for one, so answers cannot be told apart.',
      );
    return { lead: before.slice(open.length), after, ...endOf(after) };
  };
  const endOf = (after: string): { closing: string; endId: number } => {
    const ids = encode(after);
    const at = ids.findIndex((id) => tokenizer.isSpecial(id) || source.eosIds.includes(id));
    const endId = ids[at] ?? source.eosIds[0];
    if (endId === undefined)
      throw problem(
        'the chat template writes no end marker and config.json names no eos_token_id, so answers never end.',
      );
    // None of its own: the model's end token comes in place of the blanks and new lines that the template ends with.
    if (at < 0) return { closing: after.trimEnd(), endId };
    const token = tokenizer.tokenOf(endId) ?? '';
    const found = token === '' ? -1 : after.indexOf(token);
    if (found < 0) throw problem(`the end marker ${token} cannot be found in what the chat template writes.`);
    return { closing: after.slice(0, found + token.length), endId };
  };

  const plain: Chat = { user: USER };
  let end: number | undefined;
  const answerIds = (
    answer: string,
    { end: ended = true, after: chat = plain }: { end?: boolean; after?: Chat } = {},
  ): number[] => {
    const open = asked(chat);
    const frame = frameOf(chat, open);
    if (!ended) return behind(open, frame.lead + answer);
    const whole = text([...messagesOf(chat), { role: 'assistant', content: answer }], false);
    if (whole.length < open.length + frame.after.length || !whole.startsWith(open) || !whole.endsWith(frame.after))
      throw problem(`the chat template does not write the answer ${JSON.stringify(answer.slice(0, 60))} in one piece.`);
    const ids = behind(open, whole.slice(open.length, whole.length - frame.after.length) + frame.closing);
    return ids.at(-1) === frame.endId ? ids : [...ids, frame.endId];
  };
  const behind = (open: string, rest: string): number[] => {
    const ids = encodeBehind(tokenizer, { text: open, ids: encode(open) }, rest);
    if (!ids) throw problem('the tokenizer does not tell the end of a prompt from the beginning of its answer.');
    return ids;
  };

  return {
    prompt: (messages) => [...encode(text(messages, true))],
    render,
    answerIds,
    hasTemplate: compiled !== undefined,
    get endId() {
      end ??= frameOf(plain, asked(plain)).endId;
      return end;
    },
  };
}

function compile(template: string, problem: (what: string) => Problem): Jinja {
  try {
    return compileJinja(template);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw problem(
      error instanceof TooMuchWork
        ? `the chat template does too much work: ${why}; use another one.`
        : `the chat template is not valid Jinja: ${why}`,
    );
  }
}

const messagesOf = ({ system, user }: Chat): Message[] => [
  ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
  { role: 'user', content: user },
];

/** Keeps the last results. What it returns is shared: not to be changed. */
function memoized(encode: (text: string) => number[]): (text: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (text) => {
    let ids = known.get(text);
    if (!ids) {
      if (known.size >= 16) known.delete(known.keys().next().value as string);
      ids = encode(text);
      known.set(text, ids);
    }
    return ids;
  };
}

/** A word that does not stand in a text. */
function unused(word: string, text: string): string {
  let free = word;
  while (text.includes(free)) free += 'X';
  return free;
}

/** The text before and after the only occurrence of `mark`. */
function around(text: string, mark: string): [string, string] | [undefined, undefined] {
  const parts = text.split(mark);
  return parts.length === 2 ? [parts[0] ?? '', parts[1] ?? ''] : [undefined, undefined];
}
