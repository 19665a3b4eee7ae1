import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../base/problem';
import type { Json } from './fields';
import { modelFile } from './modelFile';

/** A JSON object of a model folder; undefined where there is no such file. @throws Problem `modelJson`, `modelFile` */
export function readModelJson(folder: string, name: string): Json | undefined {
  const path = modelFile(folder, name);
  if (path === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch {
    // Said below: not JSON and not an object are the same to the user.
  }
  throw new Problem('modelJson', 'the file must hold one JSON object; fetch it again.', { file: path });
}

/** The same for a file that a model cannot do without. */
export function neededModelJson(folder: string, name: string): Json {
  const json = readModelJson(folder, name);
  if (!json)
    throw new Problem('modelFile', 'the model folder needs this file; fetch it.', { file: join(folder, name) });
  return json;
}
