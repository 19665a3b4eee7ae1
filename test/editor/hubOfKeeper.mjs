// A server that plays the Hugging Face Hub with the Keeper as sparring/keeper, and as sparring/stuck with weights that stop half way.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

export async function hubOfKeeper(folder) {
  const names = readdirSync(folder).filter((name) => /\.(json|jinja|safetensors)$/.test(name));
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
  const siblings = names.map((rfilename) => ({
    rfilename,
    size: files[rfilename].length,
    lfs: { sha256: createHash('sha256').update(files[rfilename]).digest('hex') },
  }));
  const server = createServer((request, response) => {
    const [, model, name] =
      /^\/(?:api\/models\/)?sparring\/(\w+)\/(?:revision\/main|resolve\/\w+\/(.*))$/.exec(request.url.split('?')[0]) ??
      [];
    if (model !== 'keeper' && model !== 'stuck') return response.writeHead(404).end();
    if (name === undefined) return response.end(JSON.stringify({ sha: 'c'.repeat(40), siblings }));
    if (!name.endsWith('.safetensors')) return response.end(files[name]);
    const half = files[name].length >> 1;
    response.write(files[name].subarray(0, half));
    // Long enough to be seen.
    if (model === 'keeper') setTimeout(() => response.end(files[name].subarray(half)), 2000);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return { endpoint: `http://127.0.0.1:${server.address().port}`, close: () => server.closeAllConnections() };
}
