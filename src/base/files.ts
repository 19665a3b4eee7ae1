import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  type FSWatcher,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Problem } from './problem';

/** True for an existing regular file. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** True for an existing folder. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Names in a folder, sorted; none when there is no such folder. */
export function namesIn(folder: string): string[] {
  return isFolder(folder) ? readdirSync(folder).sort() : [];
}

/** Makes a folder and its parents. With `mustBeNew`, false when it was there already. */
export function makeFolder(folder: string, { mustBeNew = false } = {}): boolean {
  mkdirSync(dirname(folder), { recursive: true });
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !isFolder(folder)) throw asProblem(error, folder, 'write');
    return !mustBeNew;
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const REASONS: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, not a file',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EACCES: 'permission was denied',
  EPERM: 'permission was denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** An error of the file system as a Problem with the path and the reason; anything else as it is. */
function asProblem(error: unknown, file: string, verb: 'read' | 'write'): unknown {
  const reason = REASONS[codeOf(error)];
  if (!reason) return error;
  return new Problem(codeOf(error) === 'ENOENT' ? 'fileMissing' : 'fileAccess', `Cannot ${verb} ${file}: ${reason}.`, {
    file,
  });
}

/** A text file, whole. Throws a Problem where it cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw asProblem(error, file, 'read');
  }
}

/** The same without blocking, for the editor. */
export async function readTextAsync(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw asProblem(error, file, 'read');
  }
}

/** At most `limit` bytes from a file's beginning. */
export function readStart(file: string, limit: number): Uint8Array {
  try {
    const handle = openSync(file, 'r');
    try {
      const bytes = new Uint8Array(Math.min(limit, fstatSync(handle).size));
      let done = 0;
      while (done < bytes.length) {
        const n = readSync(handle, bytes, done, bytes.length - done, done);
        if (n === 0) break;
        done += n;
      }
      return bytes.subarray(0, done);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw asProblem(error, file, 'read');
  }
}

/** A JSON file's value. Throws a Problem where it cannot be read or is no JSON. */
export function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem('badJson', `${file} is not valid JSON: ${why}.`, { file });
  }
}

/**
 * Replaces a file in one move: a reader sees the old bytes or the new ones, never a part, even when the process is killed or the power fails.
 */
export function writeAtomic(file: string, data: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const handle = openSync(temporary, 'w');
    try {
      writeFileSync(handle, data);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw asProblem(error, file, 'write');
  }
}

/** `value` as indented JSON, replaced in one move. */
export function writeJson(file: string, value: unknown): void {
  writeAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** An open file that only grows, line by line. */
export interface LineWriter {
  /** One write for the line and its end, so that a killed process tears at most the line in flight. `sync` also waits for the disk. */
  append(line: string, options?: { sync?: boolean }): void;
  close(): void;
}

/** Opens a file for appending lines. What a killed process left of a torn last line is ended first, so that no line is glued to it. */
export function openLines(file: string): LineWriter {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const handle = openSync(file, 'a+');
    const size = fstatSync(handle).size;
    const last = new Uint8Array(1);
    if (size > 0 && readSync(handle, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE) writeSync(handle, '\n');
    let closed = false;
    return {
      append(line, { sync = false } = {}) {
        const bytes = Buffer.from(`${line}\n`);
        try {
          for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
          if (sync) fsyncSync(handle);
        } catch (error) {
          throw asProblem(error, file, 'write');
        }
      },
      close() {
        if (!closed) closeSync(handle);
        closed = true;
      },
    };
  } catch (error) {
    throw asProblem(error, file, 'write');
  }
}

/** Appends one line; for many, keep one `openLines`. */
export function appendLine(file: string, line: string, options: { sync?: boolean } = {}): void {
  const lines = openLines(file);
  try {
    lines.append(line, options);
  } finally {
    lines.close();
  }
}

/** SHA-256 of bytes, or of a string's UTF-8, in hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a file of any size, in hex. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw asProblem(error, file, 'read');
  }
  return hash.digest('hex');
}

const NEWLINE = 10;
const CHUNK = 1 << 20;

export interface TailOptions {
  /** Whole lines, without their ends, all that one look found; empty lines are left out. */
  onLines(lines: string[]): void;
  /** The file was cut short or replaced: forget everything, its lines follow again from the first. */
  onReset?(): void;
  /** Milliseconds between looks when nothing is reported by the system. */
  poll?: number;
}

/**
 * Follows a growing file: what is there, then what comes. The file, and even its folder, may not exist yet. Changes are noticed by fs.watch on the
 * folder, with a slow poll beside it because network file systems report none. A partial last line waits as bytes, so that no character is torn.
 * A failing look (the file is away, or locked) is tried again at the next one.
 */
export function tail(file: string, { onLines, onReset, poll = 1000 }: TailOptions): { close(): void } {
  let closed = false;
  let inode = -1;
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  let looking = false;
  let again = false;
  let watcher: FSWatcher | undefined;

  async function readNew(): Promise<void> {
    const handle = await open(file, 'r');
    try {
      const { ino, size } = await handle.stat();
      if (closed) return;
      if ((inode !== -1 && ino !== inode) || size < offset) {
        offset = 0;
        rest = Buffer.alloc(0);
        onReset?.();
      }
      inode = ino;
      while (offset < size && !closed) {
        const chunk = Buffer.alloc(Math.min(CHUNK, size - offset));
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset);
        if (bytesRead === 0 || closed) break;
        offset += bytesRead;
        const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
        const end = bytes.lastIndexOf(NEWLINE);
        rest = bytes.subarray(end + 1);
        if (end < 0) continue;
        const lines = bytes.toString('utf8', 0, end).split(/\r?\n/).filter(Boolean);
        if (lines.length > 0) onLines(lines);
      }
    } finally {
      await handle.close();
    }
  }

  async function look(): Promise<void> {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    do {
      again = false;
      await readNew().catch((error: unknown) => {
        // ENOENT: not there yet. Others (locked, network away) may pass too: the next look tells. What a listener throws is a bug.
        if (codeOf(error) === '')
          queueMicrotask(() => {
            throw error;
          });
      });
    } while (again && !closed);
    looking = false;
  }

  function startWatching(): void {
    const folder = dirname(file);
    if (watcher || closed || !existsSync(folder)) return;
    try {
      watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || name === basename(file)) void look();
      });
      watcher.on('error', () => {
        watcher?.close();
        watcher = undefined;
      });
    } catch {
      // no watches left, or a file system without them: the poll goes on alone
      watcher = undefined;
    }
  }

  startWatching();
  void look();
  const timer = setInterval(() => {
    startWatching();
    void look();
  }, poll);
  return {
    close() {
      closed = true;
      clearInterval(timer);
      watcher?.close();
    },
  };
}
