import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createMessageConnection, RequestType, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { WORKER_PROTOCOL, type WorkerAddress, type WorkerMethod, type WorkerRequests } from '../../src/protocol/worker';
import { serve } from '../../src/worker/serve';
import { temporaryFolder } from '../temporaryFolder';

function ask<M extends WorkerMethod>(pipe: string, method: M): Promise<WorkerRequests[M]['result']> {
  const socket = connect(pipe);
  const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  connection.listen();
  const request = new RequestType<object, WorkerRequests[M]['result'], void>(method);
  return connection.sendRequest(request, {}).finally(() => {
    connection.dispose();
    socket.destroy();
  });
}

test('an editor finds the worker by its run folder, asks how far it is and asks it to stop', async () => {
  const folder = temporaryFolder();
  let stopped = false;
  const server = await serve(folder, {
    status: () => ({ protocol: WORKER_PROTOCOL, runId: 'r', step: 3, steps: 9 }),
    stop: () => {
      stopped = true;
      return {};
    },
  });
  const address = JSON.parse(readFileSync(join(folder, 'worker.json'), 'utf8')) as WorkerAddress;
  assert.deepEqual([address.protocol, address.pid], [WORKER_PROTOCOL, process.pid]);
  assert.ok(address.pipe.length < 100, 'too long for a socket path');
  // A client that breaks off in the middle of a message harms nobody.
  const rude = connect(address.pipe);
  rude.end('Content-Length: 100\r\n\r\n{"half');
  assert.deepEqual(await ask(address.pipe, 'status'), { protocol: WORKER_PROTOCOL, runId: 'r', step: 3, steps: 9 });
  assert.ok(!stopped);
  assert.deepEqual(await ask(address.pipe, 'stop'), {});
  assert.ok(stopped);
  server.close();
  assert.ok(!existsSync(join(folder, 'worker.json')));
  if (process.platform !== 'win32') assert.ok(!existsSync(dirname(address.pipe)));
});
