import { join } from 'node:path';
import { readJson } from '../base/files';
import { packageRoot } from '../base/packageRoot';

/** The version in our package.json. */
export function packageVersion(): string {
  return (readJson(join(packageRoot(), 'package.json')) as { version: string }).version;
}
