import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { findCached, parseModelId } from '../../src/base/hubCache';
import { Cancelled, Problem } from '../../src/base/problem';
import { parseWanted, pullInWorker } from '../../src/editor/pullInWorker';
import type { Settings } from '../../src/editor/settings';
import { type HubServer, startHub } from '../hub/hubServer';
import { familyCases } from '../model/familyGolden';
import { temporaryFolder } from '../temporaryFolder';

const settings: Settings = { engine: '', threads: 0, node: '', nativePath: '', webgpuPath: '' };
const cli = [
  '--import',
  pathToFileURL(require.resolve('tsx')).href,
  join(__dirname, '..', '..', 'src', 'worker', 'cli.ts'),
];
const id = parseModelId('owner/model');
const folder = familyCases['qwen3']!.folder();
const bytesOf = (name: string) => readFileSync(join(folder, name));
const files = {
  'config.json': { bytes: bytesOf('config.json') },
  'tokenizer.json': { bytes: bytesOf('tokenizer.json') },
  'model.safetensors': { bytes: bytesOf('model.safetensors'), large: true },
};
const total = Object.values(files).reduce((sum, { bytes }) => sum + bytes.length, 0);
const servers: HubServer[] = [];
const NAMES = ['HF_ENDPOINT', 'HF_HOME', 'HF_HUB_CACHE', 'HF_TOKEN', 'HF_HUB_OFFLINE'];
const kept = NAMES.map((name) => [name, process.env[name]] as const);
after(() => {
  for (const hub of servers) hub.close();
  for (const [name, value] of kept)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});

/** A Hub of its own, to which the worker's environment leads. */
async function hubOf(served: Parameters<typeof startHub>[0]): Promise<HubServer> {
  const hub = await startHub(served);
  servers.push(hub);
  for (const name of NAMES) delete process.env[name];
  process.env['HF_ENDPOINT'] = hub.endpoint;
  process.env['HF_HOME'] = temporaryFolder();
  return hub;
}

test('the command downloads, the window hears how much is there', async () => {
  await hubOf(files);
  const heard: (number | string)[][] = [];
  const { signal } = new AbortController();
  await pullInWorker(cli, { id }, settings, { signal, onProgress: (...one) => heard.push(one) });
  assert.deepEqual(heard.at(-1), [total, total, 'model.safetensors']);
  assert.ok(findCached(id, process.env));
});

test('cancelling ends the command, keeps what came, and the next time goes on', async () => {
  const hub = await hubOf(files);
  const whole = files['model.safetensors'].bytes;
  hub.before = (request, response) => {
    if (!request.url?.includes('model.safetensors')) return false;
    response.writeHead(200);
    response.write(whole.subarray(0, 5000));
    return true;
  };
  const stop = new AbortController();
  const pulled = pullInWorker(cli, { id }, settings, {
    signal: stop.signal,
    onProgress: () => setTimeout(() => stop.abort(), 1000),
  });
  await assert.rejects(pulled, Cancelled);
  assert.equal(findCached(id, process.env), undefined);
  assert.ok(!readdirSync(join(process.env['HF_HOME'] ?? '', 'hub', 'models--owner--model')).includes('sparring.lock'));
  hub.before = undefined;
  await pullInWorker(cli, { id }, settings, { signal: new AbortController().signal, onProgress: () => undefined });
  assert.equal(hub.asked.at(-1)?.range, 'bytes=5000-');
  await assert.rejects(
    pullInWorker(cli, { id }, settings, { signal: AbortSignal.abort(), onProgress: () => undefined }),
    Cancelled,
  );
});

test("the command's problem is the window's problem; a broken command is none", async () => {
  const bytes = Buffer.from('GGUF');
  await hubOf({ 'a b.gguf': { bytes, large: true }, 'c.gguf': { bytes, large: true } });
  const pull = (command: readonly string[], wanted: Parameters<typeof pullInWorker>[1]) =>
    pullInWorker(command, wanted, settings, { signal: new AbortController().signal, onProgress: () => undefined });
  await assert.rejects(pull(cli, { id }), (error) => {
    assert.ok(error instanceof Problem, String(error));
    assert.equal(error.data.code, 'hub');
    assert.match(error.message, /^owner\/model has several GGUF files; .*a b\.gguf, c\.gguf\.$/);
    return true;
  });
  await pull(cli, { id, file: 'a b.gguf' });
  assert.deepEqual(readdirSync(findCached(id, process.env) ?? ''), ['a b.gguf']);
  await assert.rejects(
    pull(['-e', 'throw new Error("broken")'], { id }),
    (error) => error instanceof Error && !(error instanceof Problem) && /broken/.test(error.message),
  );
});

test('what is typed: a model, and a file of it', () => {
  assert.deepEqual(parseWanted(' hf:a/b@v1 '), { id: { owner: 'a', name: 'b', revision: 'v1' } });
  assert.deepEqual(parseWanted('a/b x y.gguf').file, 'x y.gguf');
  for (const text of ['', 'a', '--file', 'a/..']) assert.throws(() => parseWanted(text), Problem, text);
});
