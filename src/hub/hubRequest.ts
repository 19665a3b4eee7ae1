import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, hubHome } from '../base/hubCache';
import { Problem } from '../base/problem';

// The only place that uses the network, and only for `sparring model pull`. Own code on Node's fetch: the Hub's JavaScript library can
// neither resume a file nor check what it got.

export interface HubAccess {
  /** Without a slash at its end. */
  endpoint: string;
  token?: string;
  signal?: AbortSignal;
}

/** From HF_ENDPOINT, HF_TOKEN or the token that a login left, HF_HUB_OFFLINE. @throws Problem `endpoint` or `offline` */
export function hubAccess(env: Environment, signal?: AbortSignal): HubAccess {
  if (/^(1|on|yes|true)$/i.test(env['HF_HUB_OFFLINE'] ?? ''))
    throw new Problem('offline', 'HF_HUB_OFFLINE is set, so nothing is downloaded; empty it to download.');
  const endpoint = (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new Problem('endpoint', `HF_ENDPOINT is '${endpoint}', which is no http or https address.`);
  const file = env['HF_TOKEN_PATH'] || join(hubHome(env), 'token');
  const token = env['HF_TOKEN'] || (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
  return { endpoint, ...(token ? { token } : {}), signal };
}

const MOST_REDIRECTS = 6;

/**
 * A GET with redirects followed by hand, since the token belongs to the endpoint's own host alone.
 * @throws Problem `network`, or the fetch's own errors where trying again may help
 */
export async function hubRequest(
  { endpoint, token, signal }: HubAccess,
  path: string,
  headers: { readonly [name: string]: string } = {},
): Promise<Response> {
  let url = new URL(endpoint + path);
  const home = url;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const own = url.host === home.host && url.protocol === home.protocol;
    const response = await fetch(url.href, {
      redirect: 'manual',
      signal,
      headers: { ...headers, 'user-agent': 'sparring', ...(own && token ? { authorization: `Bearer ${token}` } : {}) },
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || !location) return response;
    await response.body?.cancel();
    if (!URL.canParse(location, url.href)) throw new Problem('network', 'the server leads to an address that is none.');
    const next = new URL(location, url);
    if (next.protocol !== 'https:' && next.protocol !== home.protocol)
      throw new Problem('network', `the server leads to ${next.protocol}//${next.host}, which is refused.`);
    url = next;
  }
  throw new Problem('network', `the server led from place to place more than ${MOST_REDIRECTS} times.`);
}
