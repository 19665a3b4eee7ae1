import { Problem } from '../base/problem';
import { type JinjaTemplate, parseJinja } from './jinja';
import type { Tokenizer } from './tokenizer';

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A prompt ready for an answer. ids[userStart..userEnd) are the user's words; a token that mixes them with the template counts. */
export interface RenderedChat {
  ids: number[];
  userStart: number;
  userEnd: number;
}

/** Renders chats by the model's own template. Prompt and answer are rendered apart, so that masks are exact. */
export interface ChatTemplate {
  /** Ids up to and including what precedes the assistant's answer. @throws Problem `chatTemplate` */
  prompt(messages: readonly Message[]): number[];
  render(chat: { system?: string; user: string }): RenderedChat;
  /** An answer as it follows a prompt, with the template's end marker as its last id unless `end` is false (a prefill). */
  answerIds(text: string, options?: { end?: boolean }): number[];
  /** Whether the folder has a template; without one every use is a Problem. */
  readonly hasTemplate: boolean;
  /** The id that ends an answer. */
  readonly endId: number;
}

/** See ChatTemplate.render. */
export function renderChat(model: { chat: ChatTemplate }, chat: { system?: string; user: string }): RenderedChat {
  return model.chat.render(chat);
}

/** See ChatTemplate.answerIds. */
export function encodeAnswer(model: { chat: ChatTemplate }, text: string, options?: { end?: boolean }): number[] {
  return model.chat.answerIds(text, options);
}

export interface ChatTemplateSource {
  /** The Jinja text; undefined where the folder has none: every use is then a Problem. */
  template?: string;
  file: string;
  tokenizer: Tokenizer;
  /** Special tokens as the template may name them: bos_token, eos_token, ... */
  tokens: { readonly [name: string]: string };
  eosIds: readonly number[];
}

// Stand in for a text to find where the template puts it. Plain words: templates trim and test their contents.
const USER = 'SPARRINGUSER';
const ANSWER = 'SPARRINGANSWER';

/** @throws Problem `chatTemplate` where the template is no Jinja; everything else when it is used. */
export function makeChatTemplate(source: ChatTemplateSource): ChatTemplate {
  const { tokenizer, file } = source;
  const problem = (what: string) => new Problem('chatTemplate', what, { file });
  const parsed = source.template === undefined ? undefined : parse(source.template, problem);

  const text = (messages: readonly Message[], open: boolean): string => {
    if (!parsed)
      throw problem(
        'the model has no chat template; name one as `template` in the experiment (a .jinja file), use a chat model, or data with a text column instead of prompts.',
      );
    const render = (some: readonly Message[]) =>
      parsed({
        ...source.tokens,
        messages: some.map((message) => ({ ...message })),
        add_generation_prompt: open,
        tools: null,
        documents: null,
      });
    try {
      return render(messages);
    } catch (error) {
      const why = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      if (takesOnlyWithout(messages, render))
        throw problem(`the chat template takes no system prompt (${why}); leave \`system\` away.`);
      const roles = messages.map((message) => message.role).join(', ');
      throw problem(`the chat template refused the messages ${roles}: ${why}`);
    }
  };
  const encode = (rendered: string) => tokenizer.encode(rendered);

  const render = ({ system, user }: { system?: string; user: string }): RenderedChat => {
    const messages = (content: string): Message[] => [
      ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
      { role: 'user', content },
    ];
    const whole = text(messages(user), true);
    const [before, after] = around(text(messages(USER), true), USER);
    if (before === undefined || after === undefined || !whole.startsWith(before) || !whole.endsWith(after))
      throw problem("the chat template does not write the user's words in one piece, so they cannot be told apart.");
    const ids = encode(whole);
    const userStart = commonStart(ids, encode(before));
    const userEnd =
      ids.length - Math.min(commonStart([...ids].reverse(), encode(after).reverse()), ids.length - userStart);
    return { ids, userStart, userEnd };
  };

  // What the template writes before and after an answer, found once.
  let frame: { open: string; openIds: number[]; lead: string; tail: string; endId: number } | undefined;
  const answerFrame = () => {
    if (frame) return frame;
    const user: Message = { role: 'user', content: USER };
    const open = text([user], true);
    const full = text([user, { role: 'assistant', content: ANSWER }], false);
    const [before, after] = around(full, ANSWER);
    if (before === undefined || after === undefined || !before.startsWith(open))
      throw problem(
        'the chat template writes an answer otherwise than it asks for one, so answers cannot be told apart.',
      );
    // The end marker is the first special token after the answer; a template that writes none gets the model's end token.
    const endId = encode(after).find((id) => tokenizer.isSpecial(id) || source.eosIds.includes(id)) ?? source.eosIds[0];
    if (endId === undefined)
      throw problem(
        'the chat template writes no end marker and config.json names no eos_token_id, so answers never end.',
      );
    frame = { open, openIds: encode(open), lead: before.slice(open.length), tail: after, endId };
    return frame;
  };
  const answerIds = (answer: string, { end = true }: { end?: boolean } = {}): number[] => {
    const { open, openIds, lead, tail, endId } = answerFrame();
    // Encoded behind the prompt's end, for a tokenizer may treat the start of a text in its own way.
    const ids = encode(open + lead + answer + (end ? tail : ''));
    const shared = commonStart(ids, openIds) === openIds.length;
    const own = shared ? ids.slice(openIds.length) : encode(lead + answer + (end ? tail : ''));
    if (!end) return own;
    const last = own.lastIndexOf(endId);
    return last < 0 ? [...own, endId] : own.slice(0, last + 1);
  };

  return {
    prompt: (messages) => encode(text(messages, true)),
    render,
    answerIds,
    hasTemplate: parsed !== undefined,
    get endId() {
      return answerFrame().endId;
    },
  };
}

function parse(template: string, problem: (what: string) => Problem): JinjaTemplate {
  try {
    return parseJinja(template);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw problem(`the chat template is not valid Jinja: ${why.slice(0, 300)}`);
  }
}

/** Whether it is the system prompt that a template refuses. */
function takesOnlyWithout(messages: readonly Message[], render: (messages: readonly Message[]) => string): boolean {
  const without = messages.filter(({ role }) => role !== 'system');
  if (without.length === messages.length || without.length === 0) return false;
  try {
    render(without);
    return true;
  } catch {
    return false;
  }
}

/** The text before and after the only occurrence of `mark`. */
function around(text: string, mark: string): [string, string] | [undefined, undefined] {
  const parts = text.split(mark);
  return parts.length === 2 ? [parts[0] ?? '', parts[1] ?? ''] : [undefined, undefined];
}

/** How many ids at the start are the same. */
function commonStart(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
