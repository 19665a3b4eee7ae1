import { closeSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../base/problem';

const LOCK = 'lock.json';
const HEARTBEAT = 5_000;
/** After so long without a heartbeat a lock of another machine counts as left behind; one training step of a large model may block it for minutes. */
const STALE = 15 * 60_000;

interface Owner {
  pid: number;
  host: string;
  /** When that process began, where the system tells: a process with the same number that began later is another one. */
  began?: string;
}

/** A run folder that only this process writes. */
export interface RunLock {
  /** Throws a Problem when another process has taken the run over meanwhile. */
  check(): void;
  release(): void;
}

/** When a process began, in ticks since the system's start (Linux); undefined elsewhere. */
function beganAt(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // no such system or process
    return undefined;
  }
}

function isAlive({ pid, began }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = beganAt(pid);
  return began === undefined || now === undefined || began === now;
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner;
  } catch {
    // gone, or torn by a kill: nobody's
    return undefined;
  }
}

function isHeld(file: string): Owner | undefined {
  const owner = readOwner(file);
  if (!owner) return undefined;
  if (owner.host === hostname()) return isAlive(owner) ? owner : undefined;
  return Date.now() - statSync(file).mtimeMs < STALE ? owner : undefined;
}

/** Takes a run folder for this process. Throws a Problem while another process holds it; a lock that a killed process left is taken over. */
export function lockRun(folder: string): RunLock {
  const file = join(folder, LOCK);
  const mine: Owner = { pid: process.pid, host: hostname(), began: beganAt(process.pid) };
  const text = JSON.stringify(mine);
  for (let attempt = 0; ; attempt++) {
    try {
      const handle = openSync(file, 'wx');
      writeSync(handle, text);
      closeSync(handle);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = isHeld(file);
      if (owner || attempt > 2)
        throw new Problem(
          'runLocked',
          `Process ${owner?.pid ?? '?'} on ${owner?.host ?? 'this machine'} is writing the run ${folder}; stop it first, or wait until it ends.`,
          { file: folder },
        );
      rmSync(file, { force: true });
    }
  }
  const timer = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // the folder is away for a moment, or for good: the next write tells
    }
  }, HEARTBEAT);
  timer.unref();
  const isMine = () => {
    try {
      return readFileSync(file, 'utf8') === text;
    } catch {
      return false;
    }
  };
  return {
    check() {
      if (!isMine())
        throw new Problem(
          'runTakenOver',
          `Another process has taken over the run ${folder}; this one stops writing it.`,
          {
            file: folder,
          },
        );
    },
    release() {
      clearInterval(timer);
      if (isMine()) rmSync(file, { force: true });
    },
  };
}
