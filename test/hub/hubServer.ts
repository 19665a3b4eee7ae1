import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = 'a'.repeat(40);

export interface ServedFile {
  bytes: Uint8Array;
  /** As a large file, by its sha256; else by git's sha1. */
  large?: boolean;
  /** The checksum that the server tells, where it lies. */
  told?: string;
  size?: number;
}

export interface Asked {
  host: string;
  path: string;
  range?: string;
  authorization?: string;
}

/** A server that plays the Hub: its API, its files, and a second host that files are redirected to. */
export interface HubServer {
  endpoint: string;
  asked: Asked[];
  /** Answers instead of the usual where it returns true. */
  before?: (request: IncomingMessage, response: ServerResponse) => boolean;
  close(): void;
}

export async function startHub(
  files: { readonly [name: string]: ServedFile },
  { redirect = false } = {},
): Promise<HubServer> {
  const asked: Asked[] = [];
  const hub: HubServer = { endpoint: '', asked, close: () => undefined };
  const siblings = Object.entries(files).map(([rfilename, { bytes, large, told, size }]) => ({
    rfilename,
    size: size ?? bytes.length,
    ...(large
      ? { lfs: { sha256: told ?? createHash('sha256').update(bytes).digest('hex') } }
      : { blobId: told ?? createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex') }),
  }));
  const send = (request: IncomingMessage, response: ServerResponse, name: string) => {
    const file = files[name];
    if (!file) return response.writeHead(404).end();
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const { length } = file.bytes;
    if (start >= length && start > 0) return response.writeHead(416).end();
    const head = start > 0 ? { 'content-range': `bytes ${start}-${length - 1}/${length}` } : {};
    return response.writeHead(start > 0 ? 206 : 200, head).end(file.bytes.subarray(start));
  };
  const handle = (host: string) => (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const { range, authorization } = request.headers;
    asked.push({ host, path, range, authorization });
    if (hub.before?.(request, response)) return;
    const name = path.replace(`/owner/model/resolve/${COMMIT}/`, '').replace('/store/', '');
    if (path === '/api/models/owner/model/revision/main')
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sha: COMMIT, siblings }));
    else if (path.startsWith('/api/')) response.writeHead(404).end();
    else if (host === 'hub' && redirect) response.writeHead(302, { location: `${store}/store/${name}` }).end();
    else send(request, response, name);
  };
  const listen = async (host: string): Promise<[Server, string]> => {
    const server = createServer(handle(host));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    return [server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`];
  };
  const [first, endpoint] = await listen('hub');
  const [second, store] = await listen('store');
  hub.endpoint = endpoint;
  hub.close = () => {
    for (const server of [first, second]) {
      server.closeAllConnections();
      server.close();
    }
  };
  return hub;
}
