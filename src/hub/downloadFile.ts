import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelId } from '../base/hubCache';
import { Cancelled, Problem } from '../base/problem';
import { type HubFile, refusal } from './hubModel';
import { type HubAccess, hubRequest } from './hubRequest';
import { watchdog } from './watchdog';
import { withRetries } from './withRetries';

/**
 * Downloads one file into `blobs`, going on where an earlier try stopped, and gives it its name only when size and checksum are right.
 * Resolves to the blob's path. `onBytes`: how much of it is there.
 * @throws Problem `hub` or `network`, Cancelled
 */
export async function downloadFile(
  access: HubAccess,
  id: ModelId,
  commit: string,
  file: HubFile,
  blobs: string,
  onBytes: (done: number) => void,
): Promise<string> {
  const blob = join(blobs, file.hash.value);
  if (existsSync(blob) && statSync(blob).size === file.size) {
    onBytes(file.size);
    return blob;
  }
  const partial = `${blob}.incomplete`;
  const size = () => (existsSync(partial) ? statSync(partial).size : 0);
  // A wrong checksum may be an old, spoiled beginning: once more from nothing.
  for (let attempt = 0; attempt < 2; attempt++) {
    if (size() > file.size) rmSync(partial);
    await withRetries(access.signal, () => fetchRest(access, id, commit, file, partial, onBytes), size);
    if ((await checksum(partial, file)) === file.hash.value) {
      renameSync(partial, blob);
      return blob;
    }
    rmSync(partial, { force: true });
  }
  throw new Problem(
    'hub',
    `${file.name} was downloaded twice and its checksum is wrong each time; the server or something between alters it.`,
  );
}

async function fetchRest(
  access: HubAccess,
  id: ModelId,
  commit: string,
  file: HubFile,
  partial: string,
  onBytes: (done: number) => void,
): Promise<void> {
  let start = existsSync(partial) ? statSync(partial).size : 0;
  onBytes(start);
  if (start === file.size && existsSync(partial)) return;
  const name = file.name.split('/').map(encodeURIComponent).join('/');
  // Checksums are of the bytes as they are, so nothing may be packed on the way.
  const headers = { 'accept-encoding': 'identity', ...(start > 0 ? { range: `bytes=${start}-` } : {}) };
  const dog = watchdog(access.signal);
  try {
    const path = `/${id.owner}/${id.name}/resolve/${commit}/${name}`;
    const response = await hubRequest({ ...access, signal: dog.signal }, path, headers);
    if (response.status === 416) {
      rmSync(partial, { force: true });
      throw new Error('the server does not go on where the download stopped');
    }
    if (!response.ok) throw await refusal(response, access, id);
    if (start > 0 && !(response.status === 206 && rangeStart(response) === start)) {
      // The whole file comes again.
      truncateSync(partial, 0);
      start = 0;
    }
    await write(response, start, { access, file, partial, onBytes, touch: dog.touch });
  } finally {
    dog.end();
  }
}

interface Sink {
  access: HubAccess;
  file: HubFile;
  partial: string;
  onBytes: (done: number) => void;
  touch(): void;
}

/** A response's bytes into `partial`, from byte `start` on. */
async function write(
  response: Response,
  start: number,
  { access, file, partial, onBytes, touch }: Sink,
): Promise<void> {
  const handle = await open(partial, start > 0 ? 'r+' : 'w');
  try {
    let at = start;
    for await (const part of response.body ?? []) {
      if (access.signal?.aborted) throw new Cancelled();
      touch();
      const bytes = part as Uint8Array;
      if (at + bytes.length > file.size)
        throw new Problem('hub', `the server sends more of ${file.name} than the ${file.size} bytes it promised.`);
      await handle.write(bytes, 0, bytes.length, at);
      at += bytes.length;
      onBytes(at);
    }
    if (at < file.size) throw new Error(`the connection ended after ${at} of ${file.size} bytes`);
  } finally {
    await handle.close();
  }
}

const rangeStart = (response: Response): number =>
  Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);

async function checksum(path: string, { hash, size }: HubFile): Promise<string> {
  const digest: Hash = hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const part of createReadStream(path)) digest.update(part as Buffer);
  return digest.digest('hex');
}
