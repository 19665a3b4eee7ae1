import { idText, type ModelId } from '../base/hubCache';
import { Problem } from '../base/problem';
import { type HubAccess, hubRequest } from './hubRequest';
import { watchdog } from './watchdog';
import { withRetries } from './withRetries';

export interface HubFile {
  name: string;
  size: number;
  /** Name of its blob: the sha256 of a large file, git's sha1 of a small one. */
  hash: { kind: 'sha256' | 'git'; value: string };
}

export interface HubModel {
  commit: string;
  files: readonly HubFile[];
}

const MOST_BYTES = 20_000_000;

/** What the Hub says of a model's revision. @throws Problem `hub` or `network` with what to do, Cancelled */
export async function hubModel(access: HubAccess, id: ModelId): Promise<HubModel> {
  const path = `/api/models/${id.owner}/${id.name}/revision/${encodeURIComponent(id.revision)}?blobs=true`;
  const json = await withRetries(access.signal, async () => {
    const dog = watchdog(access.signal);
    try {
      const response = await hubRequest({ ...access, signal: dog.signal }, path);
      if (!response.ok) throw await refusal(response, access, id);
      return (await boundedJson(response, access)) as { sha?: unknown; siblings?: unknown } | null;
    } catch (error) {
      if (error instanceof SyntaxError) throw strange(access);
      throw error;
    } finally {
      dog.end();
    }
  });
  if (typeof json?.sha !== 'string' || !/^[0-9a-f]{40}$/.test(json.sha) || !Array.isArray(json.siblings))
    throw strange(access);
  return { commit: json.sha, files: json.siblings.flatMap((one: unknown) => readFile(one) ?? []) };
}

/** An answer's JSON, read no further than a model's list of files can reach. @throws Problem `hub`, SyntaxError */
async function boundedJson(response: Response, access: HubAccess): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    const bytes = part as Uint8Array;
    size += bytes.length;
    if (size > MOST_BYTES) throw strange(access);
    parts.push(bytes);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
}

/** A file's entry; undefined for one that lacks what a check needs. A name that is no plain relative path is left out too. */
function readFile(entry: unknown): HubFile | undefined {
  const { rfilename, size, blobId, lfs } = (entry ?? {}) as { [field: string]: unknown };
  if (typeof rfilename !== 'string' || !isPlainPath(rfilename)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  const { sha256 } = (lfs ?? {}) as { sha256?: unknown };
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256))
    return { name: rfilename, size, hash: { kind: 'sha256', value: sha256 } };
  if (typeof blobId === 'string' && /^[0-9a-f]{40}$/.test(blobId))
    return { name: rfilename, size, hash: { kind: 'git', value: blobId } };
  return undefined;
}

const isPlainPath = (name: string): boolean =>
  name.length < 500 && name.split('/').every((part) => /^[\w][\w .+-]*$/.test(part) && !part.includes('..'));

const strange = ({ endpoint }: HubAccess): Problem =>
  new Problem('hub', `${endpoint} does not answer as the Hugging Face Hub does; check HF_ENDPOINT.`);

/** What a refused request means, and what to do. */
export async function refusal(response: Response, { endpoint, token }: HubAccess, id: ModelId): Promise<Error> {
  await response.body?.cancel();
  const page = `${endpoint}/${id.owner}/${id.name}`;
  // Without a token the Hub says 401 of a gated model too, and why in a header.
  const gated = response.status === 403 || response.headers.get('x-error-code') === 'GatedRepo';
  const login = token ? 'the token in use has no access' : 'set HF_TOKEN to a token of yours';
  if (gated)
    return new Problem('hub', `${idText(id)} is gated: accept its terms at ${page}, then try again (${login}).`);
  switch (response.status) {
    case 401:
      return new Problem(
        'hub',
        `the Hub knows no model ${idText(id)} that you may see: check the name, or, if it is private or gated, ${login}.`,
      );
    case 404:
      return new Problem('hub', `there is no model or revision ${idText(id)} at ${endpoint}; check the name.`);
    case 429:
      return new Error('the server asks for fewer requests');
  }
  const text = `the server answered with ${response.status}`;
  return response.status >= 500 ? new Error(text) : new Problem('hub', `${text} for ${page}.`);
}
