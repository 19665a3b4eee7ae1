import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Problem } from '../../src/base/problem';
import type { Settings } from '../../src/editor/settings';
import {
  enginePathsOf,
  isListening,
  optionsOf,
  readAddress,
  startWorker,
  stopWorker,
  WORKER_LOG,
  workerStatus,
} from '../../src/editor/workerClient';
import { WORKER_PROTOCOL } from '../../src/protocol/worker';
import { runFile } from '../../src/records/runFolder';
import { serve } from '../../src/worker/serve';

const settings: Settings = { engine: '', threads: 0, node: '', nativePath: '', webgpuPath: '' };

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sparring-client-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a worker is found through its folder and asked to stop exactly once', () =>
  inFolder(async (folder) => {
    let stops = 0;
    const status = {
      ...{ protocol: WORKER_PROTOCOL, runId: 'x', step: 1, steps: 2 },
      progress: { step: 2, micro: 1, micros: 4, attack: { done: 3, of: 10 } },
    };
    let heard: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const server = await serve(folder, {
      status: () => status,
      stop: () => {
        stops++;
        heard();
        return {};
      },
    });
    assert.equal(await isListening(folder), true);
    assert.deepEqual(await workerStatus(folder), status);
    assert.equal(await stopWorker(folder), 'asked');
    await stopped;
    server.close();
    assert.equal(stops, 1);
    assert.equal(await workerStatus(folder), undefined);
    assert.equal(await isListening(folder), false);
    assert.equal(readAddress(folder), undefined);
  }));

test('an address that a killed worker left behind leads nowhere', () =>
  inFolder(async (folder) => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const pipe = join(folder, 'gone');
    writeFileSync(runFile(folder, 'worker'), JSON.stringify({ protocol: WORKER_PROTOCOL, pid: child.pid, pipe }));
    assert.equal(await isListening(folder), false);
    await assert.rejects(stopWorker(folder), (error) => error instanceof Problem && error.data.code === 'notRunning');
  }));

test('a worker that listens nowhere is sent a signal', () =>
  inFolder(async (folder) => {
    const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => 0, 1000)'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    const pipe = join(folder, 'gone');
    writeFileSync(runFile(folder, 'worker'), JSON.stringify({ protocol: WORKER_PROTOCOL, pid: child.pid, pipe }));
    const ended = once(child, 'exit');
    assert.equal(await stopWorker(folder), 'signalled');
    assert.deepEqual(await ended, [null, 'SIGTERM']);
  }));

test('a started worker runs on its own and leaves what it prints in the run folder', () =>
  inFolder(async (folder) => {
    const script = join(folder, 'script.js');
    writeFileSync(
      script,
      "console.log(process.argv.slice(2).join(' ')); console.error(process.env.NODE_OPTIONS ?? 'none')",
    );
    process.env['NODE_OPTIONS'] = '--no-warnings';
    try {
      const child = await startWorker(script, ['run', 'file'], folder, settings);
      child.ref();
      await once(child, 'exit');
    } finally {
      delete process.env['NODE_OPTIONS'];
    }
    assert.equal(readFileSync(join(folder, WORKER_LOG), 'utf8'), 'run file\nnone\n');
  }));

test('a Node that is not there is a problem with its setting; settings become options', async () => {
  await inFolder((folder) =>
    assert.rejects(
      startWorker('x.js', [], folder, { ...settings, node: join(folder, 'no-node') }),
      (error) => error instanceof Problem && error.data.code === 'noNode',
    ),
  );
  assert.deepEqual(optionsOf(settings), []);
  assert.deepEqual(optionsOf({ ...settings, engine: 'wasm', threads: 2 }), ['--engine', 'wasm', '--threads', '2']);
  assert.deepEqual(enginePathsOf(settings), []);
  assert.deepEqual(enginePathsOf({ ...settings, nativePath: __dirname }), ['--native-path', __dirname]);
  assert.deepEqual(enginePathsOf({ ...settings, webgpuPath: __dirname }), ['--webgpu-path', __dirname]);
  assert.throws(
    () => enginePathsOf({ ...settings, nativePath: join(__dirname, 'nowhere') }),
    (error) => error instanceof Problem && error.data.code === 'noNativePath',
  );
});
