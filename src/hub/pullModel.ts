import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Environment, type ModelId, modelFolder } from '../base/hubCache';
import { Problem } from '../base/problem';
import { downloadFile } from './downloadFile';
import { hubModel } from './hubModel';
import { hubAccess } from './hubRequest';
import { wantedFiles } from './wantedFiles';

export interface PullOptions {
  env: Environment;
  /** A GGUF file's name, where the model has several. */
  file?: string;
  signal?: AbortSignal;
  onProgress?: (progress: PullProgress) => void;
}
export interface PullProgress {
  /** Bytes of all files that are there, and of all. */
  done: number;
  total: number;
  /** The file being downloaded. */
  file: string;
}

/**
 * Downloads a model into the standard Hugging Face cache, as its own library lays it out, and resolves to the snapshot's folder. What is
 * there already is not fetched again; what was broken off goes on.
 * @throws Problem with what to do; Cancelled, with everything downloaded so far kept
 */
export async function pullModel(id: ModelId, { env, file, signal, onProgress }: PullOptions): Promise<string> {
  const access = hubAccess(env, signal);
  const model = await hubModel(access, id);
  const files = wantedFiles(model.files, id, file);
  const folder = modelFolder(id, env);
  const blobs = join(folder, 'blobs');
  mkdirSync(blobs, { recursive: true });
  const unlock = lock(join(folder, 'sparring.lock'));
  try {
    const total = files.reduce((sum, one) => sum + one.size, 0);
    let before = 0;
    const found: { name: string; blob: string }[] = [];
    for (const one of files) {
      const tell = (bytes: number) => onProgress?.({ done: before + bytes, total, file: one.name });
      found.push({ name: one.name, blob: await downloadFile(access, id, model.commit, one, blobs, tell) });
      before += one.size;
    }
    const snapshot = join(folder, 'snapshots', model.commit);
    for (const { name, blob } of found) link(blob, join(snapshot, name));
    if (id.revision !== model.commit) {
      const ref = join(folder, 'refs', id.revision);
      mkdirSync(dirname(ref), { recursive: true });
      writeFileSync(ref, model.commit);
    }
    return snapshot;
  } finally {
    unlock();
  }
}

/** A relative link, as the Hub's own library makes; a copy where the system allows no links. */
function link(blob: string, path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  try {
    symlinkSync(relative(dirname(path), blob), path, 'file');
  } catch (error) {
    if (!/^E(PERM|ACCES|NOSYS)$/.test(String((error as { code?: unknown }).code))) throw error;
    copyFileSync(blob, path);
  }
}

/** One download of a model at a time: two would write the same files. What a killed process left behind is no lock. */
function lock(path: string): () => void {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
    }
    const owner = Number(readFileSync(path, 'utf8'));
    if (isAlive(owner)) throw new Problem('hub', `process ${owner} is downloading this model already; wait for it.`);
    rmSync(path, { force: true });
  }
  throw new Problem('hub', `${path} cannot be made; try again.`);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives and is somebody else's.
    return (error as { code?: unknown }).code === 'EPERM';
  }
}
