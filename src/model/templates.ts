import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Problem } from '../base/problem';
import type { Json } from './fields';
import { modelFile } from './modelFile';

/** A chat template's text and the file it stands in. */
export interface TemplateText {
  text?: string;
  file: string;
}

const MORE = 'additional_chat_templates';
const DEFAULT = 'default';
/** Far longer than any model's. */
const MAX_BYTES = 1_000_000;

/** Reads a template's text. @throws Problem `chatTemplate` for one of absurd length. */
export function readTemplate(file: string): TemplateText {
  if (statSync(file).size > MAX_BYTES)
    throw new Problem('chatTemplate', `a chat template of more than ${MAX_BYTES} bytes is not read.`, { file });
  return { text: readFileSync(file, 'utf8'), file };
}

/**
 * A model folder's templates by name, the usual one as `default`, from where transformers looks for them: chat_template.jinja and
 * additional_chat_templates/NAME.jinja, then tokenizer_config.json (a text, or a list of named ones), then chat_template.json.
 * @throws Problem `chatTemplate` or `modelFile`
 */
export function folderTemplates(folder: string, settings: Json): Map<string, TemplateText> {
  const found = new Map<string, TemplateText>();
  const add = (name: string, template: TemplateText) => {
    if (!found.has(name)) found.set(name, template);
  };
  const own = modelFile(folder, 'chat_template.jinja');
  if (own) add(DEFAULT, readTemplate(own));
  if (existsSync(join(folder, MORE)))
    for (const name of readdirSync(join(folder, MORE)).filter((one) => one.endsWith('.jinja'))) {
      const path = modelFile(folder, name, MORE);
      if (path) add(basename(name, '.jinja'), readTemplate(path));
    }
  for (const [name, text] of inSettings(settings, join(folder, 'tokenizer_config.json')))
    add(name, { text, file: join(folder, 'tokenizer_config.json') });
  const older = modelFile(folder, 'chat_template.json');
  if (older && !found.has(DEFAULT)) {
    const { text = '' } = readTemplate(older);
    const inner = parse(text, older)['chat_template'];
    if (typeof inner !== 'string') throw new Problem('chatTemplate', 'chat_template must be a text.', { file: older });
    add(DEFAULT, { text: inner, file: older });
  }
  return found;
}

/** The templates in a parsed tokenizer_config.json. @throws Problem `chatTemplate` */
export function inSettings(settings: Json, file: string): [string, string][] {
  const template = settings['chat_template'];
  if (template === undefined || template === null) return [];
  if (typeof template === 'string') return [[DEFAULT, template]];
  const list: unknown[] = Array.isArray(template) ? template : [undefined];
  return list.map((one) => {
    const { name, template: text } = (one ?? {}) as Json;
    if (typeof name !== 'string' || typeof text !== 'string')
      throw new Problem('chatTemplate', 'chat_template must be a text, or a list of named ones.', { file });
    return [name, text];
  });
}

/**
 * The template to use: `wanted` is the path of a file, or a name among the model's; none: the model's default.
 * @throws Problem `chatTemplate`
 */
export function chooseTemplate(
  templates: ReadonlyMap<string, TemplateText>,
  wanted: string | undefined,
  place: string,
): TemplateText {
  if (wanted !== undefined && isTemplatePath(wanted)) {
    if (!existsSync(wanted)) throw new Problem('chatTemplate', 'there is no such file.', { file: wanted });
    return readTemplate(wanted);
  }
  const found = templates.get(wanted ?? DEFAULT);
  if (found) return found;
  const names = [...templates.keys()].join(', ');
  if (wanted === undefined && templates.size === 0) return { file: place };
  throw new Problem(
    'chatTemplate',
    wanted === undefined
      ? `the model has several chat templates and none called default; name one as \`template\`: ${names}.`
      : `the model has no chat template called ${wanted}; it has ${names || 'none'}. A template of your own is named by its path, ending in .jinja.`,
    { file: place },
  );
}

/** A template is named by a path where it ends in .jinja, else by its name in the model. */
export const isTemplatePath = (template: string): boolean => template.endsWith('.jinja');

function parse(text: string, file: string): Json {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('modelJson', 'the file must hold one JSON object; fetch it again.', { file });
}
