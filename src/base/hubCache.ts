import { homedir } from 'node:os';
import { join } from 'node:path';
import { isFile, isFolder, namesIn, readText } from './files';
import { Problem } from './problem';

// The standard Hugging Face cache: HUB/models--OWNER--NAME/{blobs,refs,snapshots}. Looked at here, written by src/hub/.

/** A model of the Hub. */
export interface ModelId {
  owner: string;
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

export type Environment = { readonly [name: string]: string | undefined };

const PREFIX = 'hf:';
const PART = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const ID = new RegExp(`^(${PART})/(${PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,127}))?$`);

/** Whether an experiment's `model` names a model of the Hub. */
export const isHubModel = (text: string): boolean => text.startsWith(PREFIX);

/** `OWNER/NAME[@revision]`, with or without `hf:` before it. @throws Problem `modelId` */
export function parseModelId(text: string): ModelId {
  const [, owner, name, revision = 'main'] = ID.exec(text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text) ?? [];
  const strange = [owner, name, ...revision.split('/')].some(
    (part) => part === undefined || /\.\.|^\.|\.$|^$/.test(part),
  );
  if (owner === undefined || name === undefined || strange)
    throw new Problem(
      'modelId',
      `'${text.slice(0, 120)}' names no model of the Hub: write OWNER/NAME or OWNER/NAME@revision, for example HuggingFaceTB/SmolLM2-135M-Instruct.`,
    );
  return { owner, name, revision };
}

export const idText = ({ owner, name, revision }: ModelId): string =>
  `${owner}/${name}${revision === 'main' ? '' : `@${revision}`}`;

/** Where the Hub's libraries keep models: HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub. */
export function hubFolder(env: Environment): string {
  if (env['HF_HUB_CACHE']) return env['HF_HUB_CACHE'];
  return join(hubHome(env), 'hub');
}

export function hubHome(env: Environment): string {
  if (env['HF_HOME']) return env['HF_HOME'];
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface');
}

/** The model's part of the cache. */
export const modelFolder = (id: ModelId, env: Environment): string =>
  join(hubFolder(env), `models--${id.owner}--${id.name}`);

/** The snapshot of a model and revision in the cache, undefined where it is not there. Asks nobody. */
export function findCached(id: ModelId, env: Environment): string | undefined {
  const folder = modelFolder(id, env);
  const ref = join(folder, 'refs', id.revision);
  const commit = isFile(ref) ? readText(ref).trim() : id.revision;
  if (!/^[0-9a-f]{40}$/.test(commit)) return undefined;
  const snapshot = join(folder, 'snapshots', commit);
  if (!isFolder(snapshot)) return undefined;
  // Whoever links files one by one leaves a snapshot that is not whole while it works.
  return isWhole(namesIn(snapshot).filter((name) => isFile(join(snapshot, name)))) ? snapshot : undefined;
}

/** A GGUF file, or config.json, tokenizer.json and safetensors with every part of what comes in parts. */
function isWhole(names: readonly string[]): boolean {
  if (names.some((name) => name.endsWith('.gguf'))) return true;
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  if (weights.length === 0 || !names.includes('config.json') || !names.includes('tokenizer.json')) return false;
  return weights.every((name) => {
    const [, stem, all] = /^(.*)-\d{5}-of-(\d{5})\.safetensors$/.exec(name) ?? [];
    if (stem === undefined || all === undefined) return true;
    const end = `-of-${all}.safetensors`;
    return weights.filter((one) => one.startsWith(`${stem}-`) && one.endsWith(end)).length === Number(all);
  });
}

/** The snapshot that `hf:OWNER/NAME[@revision]` means. @throws Problem `modelId`, or `notDownloaded` where it is not in the cache. */
export function locateHubModel(text: string, env: Environment): string {
  const id = parseModelId(text);
  const found = findCached(id, env);
  if (found) return found;
  throw new Problem(
    'notDownloaded',
    `${idText(id)} is not downloaded yet: run the command "Sparring: Download Model", or sparring model pull ${idText(id)}.`,
  );
}
