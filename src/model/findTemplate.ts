import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../base/problem';
import { isTemplateFile } from '../experiment/templateFile';
import type { Json } from './fields';
import { LIMITS } from './jinja';
import { modelFile } from './modelFile';
import { readModelJson } from './readModelJson';

/** A template and the file that it stands in; without text where there is none. */
export interface FoundTemplate {
  template?: string;
  file: string;
}

const FOLDER = 'additional_chat_templates';

/** A model's templates by name. `file`: where one is missed, if there is none. */
export interface Templates {
  named: ReadonlyMap<string, FoundTemplate>;
  file: string;
}

/** The chat template of a model folder: see templatesOf and chooseTemplate. */
export function findTemplate(folder: string, settings: Json, wanted?: string): FoundTemplate {
  return chooseTemplate(templatesOf(folder, settings), wanted);
}

/**
 * The template to use. `wanted`: the path of a .jinja file that is used in place of the model's own, or the name of one of the model's;
 * without it the one called default.
 * @throws Problem `chatTemplate` for one that cannot be read or has no such name
 */
export function chooseTemplate({ named, file }: Templates, wanted?: string): FoundTemplate {
  if (wanted !== undefined && isTemplateFile(wanted)) return { template: readTemplate(wanted), file: wanted };
  if (wanted === undefined && named.size === 0) return { file };
  const found = named.get(wanted ?? 'default');
  if (found) return found;
  const names = [...named.keys()].map((name) => `'${name}'`).join(', ');
  if (wanted === undefined)
    throw new Problem(
      'chatTemplate',
      `none of the model's chat templates is its default; name one in the experiment, \`template: NAME\`: ${names}.`,
      { file },
    );
  throw new Problem(
    'chatTemplate',
    named.size === 0
      ? `the model has no chat templates, so none is called '${wanted}'; to use a file, give the path of a .jinja file.`
      : `the model has no chat template called '${wanted}'; it has ${names}.`,
    { at: ['template'] },
  );
}

/** Paths inside a model folder of every file that may hold a chat template, for the model's hash. */
export function templateFiles(folder: string): string[] {
  return ['chat_template.jinja', 'chat_template.json', ...additional(folder).map((name) => `${FOLDER}/${name}`)];
}

/**
 * A model folder's templates, from the places that transformers looks in: chat_template.jinja and additional_chat_templates/*.jinja, else
 * tokenizer_config.json, else the chat_template.json of older processors.
 * @throws Problem `chatTemplate` for one that cannot be read; `modelFile` for a link out of the folder
 */
export function templatesOf(folder: string, settings: Json): Templates {
  const named = new Map<string, FoundTemplate>();
  const own = modelFile(folder, 'chat_template.jinja');
  if (own) named.set('default', { template: readTemplate(own), file: own });
  for (const name of additional(folder)) {
    const file = modelFile(folder, name, FOLDER);
    if (file) named.set(name.slice(0, -'.jinja'.length), { template: readTemplate(file), file });
  }
  const file = join(folder, 'tokenizer_config.json');
  if (named.size > 0) return { named, file };
  addAll(named, settings['chat_template'], file);
  if (named.size > 0) return { named, file };
  const older = readModelJson(folder, 'chat_template.json');
  if (older) addAll(named, older['chat_template'], join(folder, 'chat_template.json'));
  return { named, file };
}

function additional(folder: string): string[] {
  const path = join(folder, FOLDER);
  if (!existsSync(path) || !statSync(path).isDirectory()) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.jinja'))
    .sort();
}

/** @throws Problem `chatTemplate` where it is no file, or too large to be a template */
function readTemplate(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new Problem('chatTemplate', 'there is no such chat template.', { file });
  if (stat.size > LIMITS.template)
    throw new Problem('chatTemplate', `a chat template has at most ${LIMITS.template} bytes, this file ${stat.size}.`, {
      file,
    });
  return readFileSync(file, 'utf8');
}

/** The templates in a parsed tokenizer_config.json, which stands in `file`. @throws Problem `chatTemplate` */
export function templatesIn(settings: Json, file: string): Templates {
  const named = new Map<string, FoundTemplate>();
  addAll(named, settings['chat_template'], file);
  return { named, file };
}

function addAll(named: Map<string, FoundTemplate>, value: unknown, file: string): void {
  if (value === undefined || value === null) return;
  const list: unknown[] =
    typeof value === 'string' ? [{ name: 'default', template: value }] : Array.isArray(value) ? value : [undefined];
  for (const one of list) {
    const { name, template } = (one ?? {}) as Json;
    if (typeof name !== 'string' || typeof template !== 'string')
      throw new Problem('chatTemplate', 'chat_template must be a text, or a list of texts with names.', { file });
    named.set(name, { template, file });
  }
}
