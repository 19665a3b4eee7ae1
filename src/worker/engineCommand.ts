import { existsSync } from 'node:fs';
import { webgpuFolder } from '../tensor/backend/webgpu/webgpuPackage';
import { type EngineName, probeEngines } from '../tensor/engine';
import { changedLibraries, installEngine, removeEngine } from './engineInstall';
import type { Command, MachineFlags } from './parseCommand';
import { installWebgpu, removeWebgpu } from './webgpuInstall';

/** `sparring engine ...`; false where what was set up does not work. */
export async function engineCommand(command: Command & { name: 'engine' }): Promise<boolean> {
  switch (command.action) {
    case 'list':
      await list(command.machine);
      return true;
    case 'remove':
      if (removeEngine()) console.log('TensorFlow was removed.');
      else if (!existsSync(webgpuFolder())) console.log('Nothing was set up.');
      if (removeWebgpu()) console.log('The package webgpu was removed.');
      return true;
    case 'install': {
      const stop = new AbortController();
      const abort = () => stop.abort();
      process.once('SIGINT', abort).once('SIGTERM', abort);
      const { tensorflow, python, cuda, webgpu } = command;
      const say = (line: string) => console.log(line);
      if (webgpu) {
        await installWebgpu({ signal: stop.signal, say });
        return (await list({ engine: 'webgpu' })) !== undefined;
      }
      await installEngine({ tensorflow, python, cuda, signal: stop.signal, say });
      return (await list({})) === 'native';
    }
  }
}

/** Lists the engines in the order in which `auto` tries them: found, or refused, why and how to mend it. Gives the one that is used. */
async function list(options: MachineFlags): Promise<EngineName | undefined> {
  const candidates = await probeEngines({ ...options, engine: options.engine ?? 'auto' });
  let chosen: EngineName | undefined;
  for (const { name, found, version, device, remark, refused, mend } of candidates) {
    const works = found && refused === undefined;
    const state = works ? (chosen === undefined ? 'works, is used' : 'works') : found ? 'refused' : 'not found';
    if (works) chosen ??= name;
    const known = [version, device].filter(Boolean).map((it) => `; ${it}`);
    console.log(`${name.padEnd(8)}${state}${known.join('')}`);
    if (remark) console.log(`        ${remark}`);
    if (refused) console.log(`        why: ${refused}`);
    if (name === 'native' && refused && found && options.nativePath === undefined)
      for (const file of await changedLibraries()) console.log(`        ${file} is not what it was when it was set up`);
    if (mend) console.log(`        mend: ${mend}`);
  }
  return chosen;
}
