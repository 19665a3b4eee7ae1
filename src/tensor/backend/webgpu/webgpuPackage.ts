import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { engineFolder } from '../native/tensorFlowLibraries';

/** The package `webgpu` (Dawn for Node) on this machine. */
export interface WebgpuPackage {
  /** The package's main file. */
  module: string;
  version: string;
}

/** Release that `sparring engine install --webgpu` fetches. 0.4.0 keeps a process alive, or ends it with a signal. */
export const WEBGPU_VERSION = '0.6.2';

/** Where `sparring engine install --webgpu` puts the package. */
export const webgpuFolder = (): string => join(engineFolder(), 'webgpu');

/**
 * The package in `folder` (the package itself, or its node_modules has it); undefined where it is not there. Folders above are not
 * looked into, as Node would: what is found there may have come with somebody's experiment files.
 */
export function webgpuIn(folder: string): WebgpuPackage | undefined {
  for (const place of [folder, join(folder, 'node_modules', 'webgpu')]) {
    const module = join(resolve(place), 'index.js');
    try {
      const manifest: { name?: unknown; version?: unknown } = JSON.parse(
        readFileSync(join(place, 'package.json'), 'utf8'),
      );
      if (manifest.name === 'webgpu' && existsSync(module)) return { module, version: String(manifest.version) };
    } catch {
      // no package here
    }
  }
  return undefined;
}
