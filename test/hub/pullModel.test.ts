import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findCached, locateHubModel, parseModelId } from '../../src/base/hubCache';
import { Cancelled, Problem } from '../../src/base/problem';
import { type PullProgress, pullModel } from '../../src/hub/pullModel';
import { openTokenizer } from '../../src/model/openModel';
import { familyCases } from '../model/familyGolden';
import { temporaryFolder } from '../temporaryFolder';
import { COMMIT, type HubServer, type ServedFile, startHub } from './hubServer';

const id = parseModelId('owner/model');
const folder = familyCases['qwen3']!.folder();
const served = (name: string, large = false): ServedFile => ({ bytes: readFileSync(join(folder, name)), large });
const files: { readonly [name: string]: ServedFile } = {
  'config.json': served('config.json'),
  'tokenizer.json': served('tokenizer.json'),
  'tokenizer_config.json': served('tokenizer_config.json'),
  'model.safetensors': served('model.safetensors', true),
  'README.md': { bytes: Buffer.from('no') },
  'pytorch_model.bin': { bytes: Buffer.from('no'), large: true },
};
const servers: HubServer[] = [];
const hubOf = async (...given: Parameters<typeof startHub>) => {
  const hub = await startHub(...given);
  servers.push(hub);
  return hub;
};
after(() => {
  for (const hub of servers) hub.close();
});
const envOf = ({ endpoint }: HubServer, more: object = {}) => ({
  HF_ENDPOINT: endpoint,
  HF_HOME: temporaryFolder(),
  ...more,
});
const problem = (says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem, String(error));
  assert.match(error.message, says);
  return true;
};

test("a model is laid out as the Hub's own library does, found without asking, and not fetched twice", async () => {
  const hub = await hubOf(files);
  const env = envOf(hub);
  assert.throws(
    () => locateHubModel('hf:owner/model', env),
    problem(/not downloaded yet: run the command "Sparring: Download Model", or sparring model pull owner\/model/),
  );
  const told: PullProgress[] = [];
  const snapshot = await pullModel(id, { env, onProgress: (progress) => told.push(progress) });
  assert.equal(snapshot, join(env.HF_HOME, 'hub', 'models--owner--model', 'snapshots', COMMIT));
  assert.deepEqual(readdirSync(snapshot).sort(), [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  for (const name of readdirSync(snapshot)) {
    assert.deepEqual(readFileSync(join(snapshot, name)), readFileSync(join(folder, name)));
    assert.ok(lstatSync(join(snapshot, name)).isSymbolicLink());
    assert.match(readlinkSync(join(snapshot, name)), /^\.\.\/\.\.\/blobs\/([0-9a-f]{40}|[0-9a-f]{64})$/);
  }
  assert.equal(readFileSync(join(env.HF_HOME, 'hub', 'models--owner--model', 'refs', 'main'), 'utf8'), COMMIT);
  assert.deepEqual(readdirSync(join(env.HF_HOME, 'hub', 'models--owner--model')).sort(), [
    'blobs',
    'refs',
    'snapshots',
  ]);
  const last = told.at(-1);
  assert.ok(last && last.done === last.total && told.every(({ done }, i) => done >= (told[i - 1]?.done ?? 0)));
  assert.equal(locateHubModel('hf:owner/model', env), snapshot);
  assert.equal(findCached(parseModelId(`owner/model@${COMMIT}`), env), snapshot);
  assert.equal(findCached(parseModelId('owner/model@other'), env), undefined);
  assert.equal(openTokenizer(snapshot).config.modelType, 'qwen3');
  const before = hub.asked.length;
  assert.equal(await pullModel(id, { env }), snapshot);
  assert.deepEqual(
    hub.asked.slice(before).map(({ path }) => path),
    ['/api/models/owner/model/revision/main'],
  );
});

test("the token goes to the endpoint's host alone", async () => {
  const hub = await hubOf(files, { redirect: true });
  const env = envOf(hub, { HF_TOKEN: 'hf_secret' });
  await pullModel(id, { env });
  assert.ok(hub.asked.some(({ host }) => host === 'store'));
  for (const { host, authorization } of hub.asked)
    assert.equal(authorization, host === 'hub' ? 'Bearer hf_secret' : undefined);
  const login = envOf(hub);
  writeFileSync(join(login.HF_HOME, 'token'), 'hf_of_login\n');
  await pullModel(id, { env: login });
  assert.equal(hub.asked.at(-2)?.authorization, 'Bearer hf_of_login');
});

test('what was broken off goes on where it stopped, also in another process', async () => {
  const hub = await hubOf(files);
  const env = envOf(hub);
  const whole = files['model.safetensors']!.bytes;
  let cuts = 3;
  hub.before = (request, response) => {
    if (!request.url?.includes('model.safetensors') || cuts-- <= 0) return false;
    const start = Number(/(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const head = {
      'content-length': String(whole.length - start),
      'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}`,
    };
    response.writeHead(start > 0 ? 206 : 200, head);
    response.write(whole.subarray(start, start + 3000));
    setTimeout(() => response.destroy(), 100);
    return true;
  };
  await pullModel(id, { env });
  const ranges = hub.asked.filter(({ path }) => path.endsWith('model.safetensors')).map(({ range }) => range);
  assert.deepEqual(ranges, [undefined, 'bytes=3000-', 'bytes=6000-', 'bytes=9000-']);
});

test('cancelling keeps what is there; the next time goes on', async () => {
  const hub = await hubOf(files);
  const env = envOf(hub);
  const whole = files['model.safetensors']!.bytes;
  const stop = new AbortController();
  hub.before = (request, response) => {
    if (!request.url?.includes('model.safetensors')) return false;
    response.writeHead(200);
    response.write(whole.subarray(0, 5000));
    return true; // and never a byte more
  };
  const onProgress = ({ file, done, total }: PullProgress) => {
    if (file === 'model.safetensors' && done > total - whole.length + 4000) stop.abort();
  };
  await assert.rejects(pullModel(id, { env, signal: stop.signal, onProgress }), Cancelled);
  assert.equal(findCached(id, env), undefined);
  const cache = join(env.HF_HOME, 'hub', 'models--owner--model');
  const partial = readdirSync(join(cache, 'blobs')).find((name) => name.endsWith('.incomplete')) ?? assert.fail();
  assert.equal(readFileSync(join(cache, 'blobs', partial)).length, 5000);
  assert.ok(!existsSync(join(cache, 'sparring.lock')));
  hub.before = undefined;
  await pullModel(id, { env });
  assert.equal(hub.asked.at(-1)?.range, 'bytes=5000-');
});

test('a server that does not go on, or whose first part was spoiled, gives the right bytes all the same', async () => {
  const hub = await hubOf(files);
  for (const ignoresRange of [true, false]) {
    const env = envOf(hub);
    const blobs = join(env.HF_HOME, 'hub', 'models--owner--model', 'blobs');
    await pullModel(id, { env: { ...env, HF_HOME: temporaryFolder() } });
    const name = hub.asked.length > 0 ? readdirSyncOf(await pullModel(id, { env: { ...env } })) : '';
    assert.match(name, /safetensors/);
    const blob =
      readlinkSync(join(blobs, '..', 'snapshots', COMMIT, 'model.safetensors'))
        .split('/')
        .at(-1) ?? '';
    const fresh = envOf(hub);
    const place = join(fresh.HF_HOME, 'hub', 'models--owner--model', 'blobs');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `${blob}.incomplete`), Buffer.alloc(100, 7));
    hub.before = ignoresRange
      ? (request, response) => {
          if (!request.url?.includes('model.safetensors')) return false;
          response.writeHead(200).end(files['model.safetensors']!.bytes);
          return true;
        }
      : undefined;
    const snapshot = await pullModel(id, { env: fresh });
    assert.deepEqual(readFileSync(join(snapshot, 'model.safetensors')), files['model.safetensors']!.bytes);
    hub.before = undefined;
  }
});
const readdirSyncOf = (snapshot: string): string => readdirSync(snapshot).join();

test('a wrong checksum or size is never taken for the model', async () => {
  const lying = await hubOf({
    ...files,
    'model.safetensors': { ...served('model.safetensors', true), told: 'b'.repeat(64) },
  });
  const env = envOf(lying);
  await assert.rejects(
    pullModel(id, { env }),
    problem(/model.safetensors was downloaded twice and its checksum is wrong/),
  );
  assert.equal(findCached(id, env), undefined);
  const long = await hubOf({ ...files, 'config.json': { ...served('config.json'), size: 10 } });
  await assert.rejects(
    pullModel(id, { env: envOf(long) }),
    problem(/sends more of config.json than the 10 bytes it promised/),
  );
});

test('names that could leave the folder are never written', async () => {
  const evil = { bytes: Buffer.from('x') };
  const hub = await hubOf({
    ...files,
    '../config.json': evil,
    '/etc/model.safetensors': evil,
    'additional_chat_templates/../../x.jinja': evil,
    'additional_chat_templates/ok.jinja': evil,
    'a\\b.jinja': evil,
  });
  const snapshot = await pullModel(id, { env: envOf(hub) });
  assert.deepEqual(readdirSync(join(snapshot, 'additional_chat_templates')), ['ok.jinja']);
  assert.ok(!hub.asked.some(({ path }) => path.includes('..')));
});

test('each refusal says what to do', async () => {
  const hub = await hubOf(files);
  const answer = async (status: number, says: RegExp, more: object = {}) => {
    hub.before = (_request, response) => {
      response.writeHead(status).end();
      return true;
    };
    await assert.rejects(pullModel(id, { env: envOf(hub, more) }), problem(says));
  };
  await answer(
    401,
    /no model owner\/model that you may see: check the name, or, if it is private or gated, set HF_TOKEN/,
  );
  await answer(401, /the token in use has no access/, { HF_TOKEN: 'x' });
  hub.before = (_request, response) => {
    response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end();
    return true;
  };
  await assert.rejects(pullModel(id, { env: envOf(hub) }), problem(/gated: accept its terms at .*set HF_TOKEN/));
  await answer(403, /owner\/model is gated: accept its terms at http:.*\/owner\/model, then try again/);
  await answer(404, /no model or revision owner\/model at http/);
  await answer(418, /answered with 418/);
  hub.before = (_request, response) => {
    response.writeHead(200).end('<html>');
    return true;
  };
  await assert.rejects(pullModel(id, { env: envOf(hub) }), problem(/does not answer as the Hugging Face Hub does/));
  hub.before = (_request, response) => {
    response.writeHead(302, { location: 'ftp://elsewhere/x' }).end();
    return true;
  };
  await assert.rejects(pullModel(id, { env: envOf(hub) }), problem(/leads to ftp:\/\/elsewhere, which is refused/));
  hub.before = (_request, response) => {
    response.writeHead(302, { location: '/again' }).end();
    return true;
  };
  await assert.rejects(pullModel(id, { env: envOf(hub) }), problem(/from place to place more than 6 times/));
  await assert.rejects(
    pullModel(id, { env: { ...envOf(hub), HF_HUB_OFFLINE: '1' } }),
    problem(/HF_HUB_OFFLINE is set/),
  );
  await assert.rejects(
    pullModel(id, { env: { ...envOf(hub), HF_ENDPOINT: 'file:///x' } }),
    problem(/HF_ENDPOINT is 'file:\/\/\/x'/),
  );
});

test('GGUF files: the only one, or the one that is named', async () => {
  const gguf = { bytes: Buffer.from('GGUF'), large: true };
  const one = await hubOf({ 'README.md': gguf, 'a.Q8_0.gguf': gguf });
  assert.deepEqual(readdirSync(await pullModel(id, { env: envOf(one) })), ['a.Q8_0.gguf']);
  const two = await hubOf({ 'a.Q8_0.gguf': gguf, 'a.Q4_0.gguf': gguf });
  await assert.rejects(
    pullModel(id, { env: envOf(two) }),
    problem(/several GGUF files; name one with --file: a.Q8_0.gguf, a.Q4_0.gguf/),
  );
  assert.deepEqual(readdirSync(await pullModel(id, { env: envOf(two), file: 'a.Q4_0.gguf' })), ['a.Q4_0.gguf']);
  await assert.rejects(
    pullModel(id, { env: envOf(two), file: 'b.gguf' }),
    problem(/has no file b.gguf; it has a.Q8_0/),
  );
  const none = await hubOf({ 'pytorch_model.bin': gguf });
  await assert.rejects(
    pullModel(id, { env: envOf(none) }),
    problem(/neither safetensors nor GGUF weights; it has pytorch_model.bin/),
  );
});

test('what could not be used is not downloaded', async () => {
  const { 'tokenizer.json': _, ...rest } = files;
  const hub = await hubOf(rest);
  await assert.rejects(
    pullModel(id, { env: envOf(hub) }),
    problem(/owner\/model has no tokenizer.json, which Sparring/),
  );
  assert.equal(hub.asked.length, 1);
});

test('a snapshot that somebody is still filling is not found yet', async () => {
  const hub = await hubOf(files);
  const env = envOf(hub);
  const snapshot = await pullModel(id, { env });
  const move = (from: string, to: string) => renameSync(join(snapshot, from), join(snapshot, to));
  assert.equal(findCached(id, env), snapshot);
  move('model.safetensors', 'model-00001-of-00002.safetensors');
  assert.equal(findCached(id, env), undefined);
  writeFileSync(join(snapshot, 'model-00002-of-00002.safetensors'), '');
  assert.equal(findCached(id, env), snapshot);
  move('config.json', 'other.json');
  assert.equal(findCached(id, env), undefined);
  move('other.json', 'config.json');
  rmSync(join(env.HF_HOME, 'hub', 'models--owner--model', 'blobs'), { recursive: true });
  assert.equal(findCached(id, env), undefined);
});

test('an answer without an end is given up', async () => {
  const hub = await hubOf(files);
  hub.before = (_request, response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 32)));
    };
    response.on('drain', more);
    more();
    return true;
  };
  await assert.rejects(pullModel(id, { env: envOf(hub) }), problem(/does not answer as the Hugging Face Hub does/));
});

test('two downloads of one model at a time are one too many; a dead one is no matter', async () => {
  const hub = await hubOf(files);
  const env = envOf(hub);
  const cache = join(env.HF_HOME, 'hub', 'models--owner--model');
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'sparring.lock'), String(process.pid));
  await assert.rejects(pullModel(id, { env }), problem(/is downloading this model already/));
  writeFileSync(join(cache, 'sparring.lock'), '2147483646');
  await pullModel(id, { env });
});

test('ids are names of the Hub and nothing else', () => {
  assert.deepEqual(parseModelId('hf:a/b.c-d_e@v1.0'), { owner: 'a', name: 'b.c-d_e', revision: 'v1.0' });
  assert.equal(parseModelId('a/b').revision, 'main');
  for (const text of [
    '',
    'a',
    'a/',
    '/b',
    'a/b/c',
    '../b',
    'a/..',
    'a/b@',
    'a/b@../x',
    'a/b@x/../y',
    'a b/c',
    'a/b\\c',
    'http://x/y',
    'a/.b',
    'a/b@x..y',
    `a/${'b'.repeat(200)}`,
  ])
    assert.throws(() => parseModelId(text), problem(/names no model of the Hub/), text);
});
