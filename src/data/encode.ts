import { encodeAnswer, renderChat } from '../model/chatTemplate';
import type { Model } from '../model/model';

/** Token ids of a prompt and of what is to follow it. ids = prompt, then target; the user's words are ids[userStart .. userEnd). */
export interface Encoded {
  ids: readonly number[];
  promptLength: number;
  userStart: number;
  userEnd: number;
}

export interface EncodeOptions {
  system?: string;
  /** Longer rows are cut at this many tokens. */
  maxLength?: number;
}

function cut(row: Encoded, maxLength: number | undefined): Encoded | undefined {
  const ids = maxLength === undefined ? row.ids : row.ids.slice(0, maxLength);
  return ids.length > row.promptLength ? { ...row, ids } : undefined;
}

/**
 * A prompt in the chat template and an answer that ends with the template's end marker, which is a target too (arXiv 2405.15589's
 * code does the same). undefined when the cut at maxLength leaves no target.
 */
export function encodeChat(
  model: Model,
  prompt: string,
  answer: string,
  options: EncodeOptions = {},
): Encoded | undefined {
  const chat = { system: options.system, user: prompt };
  const { ids, userStart, userEnd } = renderChat(model, chat);
  return cut(
    { ids: [...ids, ...encodeAnswer(model, answer, { after: chat })], promptLength: ids.length, userStart, userEnd },
    options.maxLength,
  );
}

/** A prompt and the opening of an answer, without an end marker: what an attack aims for when the model is to go on by itself. */
export function encodeOpening(
  model: Model,
  prompt: string,
  opening: string,
  options: EncodeOptions = {},
): Encoded | undefined {
  const chat = { system: options.system, user: prompt };
  const { ids, userStart, userEnd } = renderChat(model, chat);
  const target = encodeAnswer(model, opening, { end: false, after: chat });
  return cut({ ids: [...ids, ...target], promptLength: ids.length, userStart, userEnd }, options.maxLength);
}

/** Raw text without template: every token but the first is a target. undefined when it is too short to have one. */
export function encodeText(model: Model, text: string, options: EncodeOptions = {}): Encoded | undefined {
  const ids = model.tokenizer.encode(text, { special: true });
  return cut({ ids, promptLength: 1, userStart: 0, userEnd: ids.length }, options.maxLength);
}

/** The ids that a row of the evaluation is continued from: a raw opening, or a chat with words put into the assistant's mouth. */
export function encodePrompt(
  model: Model,
  row: { prompt?: string; text?: string; prefill?: string },
  options: EncodeOptions = {},
): number[] {
  if (row.text !== undefined) return [...model.tokenizer.encode(row.text, { special: true })];
  const chat = { system: options.system, user: row.prompt ?? '' };
  const { ids } = renderChat(model, chat);
  return row.prefill === undefined ? ids : [...ids, ...encodeAnswer(model, row.prefill, { end: false, after: chat })];
}
