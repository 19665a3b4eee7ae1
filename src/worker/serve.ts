import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessageConnection, RequestType, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { writeJson } from '../base/files';
import { WORKER_PROTOCOL, type WorkerAddress, type WorkerMethod, type WorkerRequests } from '../protocol/worker';
import { runFile } from '../records/runFolder';

export type WorkerHandlers = { [M in WorkerMethod]: () => WorkerRequests[M]['result'] };

/** A fresh address: a pipe's name on Windows, elsewhere a socket in a folder of our own, which only this user may enter and whose path is short enough (about 100 bytes). */
function newPipe(): { pipe: string; remove(): void } {
  if (process.platform === 'win32') return { pipe: `\\\\.\\pipe\\sparring-${randomUUID()}`, remove() {} };
  const base = tmpdir().length > 60 ? '/tmp' : tmpdir();
  const folder = mkdtempSync(join(base, 'sparring-'));
  chmodSync(folder, 0o700);
  return { pipe: join(folder, 's'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function answer(socket: Socket, handlers: WorkerHandlers): void {
  const reader = new SocketMessageReader(socket);
  // Otherwise half a message keeps a timer running for ever.
  reader.partialMessageTimeout = 0;
  const connection = createMessageConnection(reader, new SocketMessageWriter(socket));
  socket.on('close', () => connection.dispose());
  // A client that goes away in the middle of a message is no failure of the run.
  connection.onError(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  for (const method of Object.keys(handlers) as WorkerMethod[])
    connection.onRequest(new RequestType<object, object, void>(method), () => handlers[method]());
  connection.listen();
}

/** Listens on a local pipe and writes its address into the run folder, so that any editor can find this process. Closing takes both back. */
export async function serve(folder: string, handlers: WorkerHandlers): Promise<{ close(): void }> {
  const { pipe, remove } = newPipe();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    answer(socket, handlers);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(pipe, resolve);
  });
  const address: WorkerAddress = { protocol: WORKER_PROTOCOL, pid: process.pid, pipe };
  const file = runFile(folder, 'worker');
  writeJson(file, address);
  return {
    close() {
      rmSync(file, { force: true });
      for (const socket of sockets) socket.destroy();
      server.close();
      remove();
    },
  };
}
