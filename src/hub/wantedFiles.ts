import { idText, type ModelId } from '../base/hubCache';
import { Problem } from '../base/problem';
import type { HubFile } from './hubModel';

const BESIDE = [
  ...['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'],
  ...['chat_template.jinja', 'chat_template.json'],
];
const WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors$|^model\.safetensors\.index\.json$/;
const TEMPLATES = /^additional_chat_templates\/[^/]+\.jinja$/;

/**
 * The files a model needs: config, tokenizer, templates and safetensors; or one GGUF file, `wanted` or the only one.
 * @throws Problem `hub` where the model has neither, lacks config.json or tokenizer.json, or has several GGUF files and none is named.
 */
export function wantedFiles(files: readonly HubFile[], id: ModelId, wanted?: string): HubFile[] {
  const named = (name: string) => files.filter((file) => file.name === name);
  if (wanted !== undefined) {
    const found = named(wanted);
    if (found.length > 0) return found;
    throw new Problem('hub', `${idText(id)} has no file ${wanted}; it has ${listed(files.map(({ name }) => name))}.`);
  }
  if (files.some(({ name }) => WEIGHTS.test(name))) {
    const missing = ['config.json', 'tokenizer.json'].filter((name) => named(name).length === 0);
    if (missing.length > 0)
      throw new Problem(
        'hub',
        `${idText(id)} has no ${missing.join(', no ')}, which Sparring needs; it was not downloaded.`,
      );
    return files.filter(({ name }) => BESIDE.includes(name) || WEIGHTS.test(name) || TEMPLATES.test(name));
  }
  const gguf = files.filter(({ name }) => name.endsWith('.gguf'));
  if (gguf.length === 1) return gguf;
  throw new Problem(
    'hub',
    gguf.length === 0
      ? `${idText(id)} has neither safetensors nor GGUF weights; it has ${listed(files.map(({ name }) => name))}.`
      : `${idText(id)} has several GGUF files; name one with --file: ${listed(gguf.map(({ name }) => name))}.`,
  );
}

const listed = (names: readonly string[]): string =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ') || 'no files';
