import { probeEngines } from '../tensor/engine';
import { changedLibraries, installEngine, removeEngine } from './engineInstall';
import type { Command, MachineFlags } from './parseCommand';

/** `sparring engine ...`; false where what was set up does not work. */
export async function engineCommand(command: Command & { name: 'engine' }): Promise<boolean> {
  switch (command.action) {
    case 'list':
      await list(command.machine);
      return true;
    case 'remove':
      console.log(removeEngine() ? 'TensorFlow was removed.' : 'Nothing was set up.');
      return true;
    case 'install': {
      const stop = new AbortController();
      const abort = () => stop.abort();
      process.once('SIGINT', abort).once('SIGTERM', abort);
      const { tensorflow, python } = command;
      await installEngine({ tensorflow, python, signal: stop.signal, say: (line) => console.log(line) });
      return list({});
    }
  }
}

/** Lists the engines in the order in which `auto` tries them: found, or refused, why and how to mend it. True where native works. */
async function list(options: MachineFlags): Promise<boolean> {
  const candidates = await probeEngines({ ...options, engine: options.engine ?? 'auto' });
  let chosen: string | undefined;
  for (const { name, found, version, device, refused, mend } of candidates) {
    const works = found && refused === undefined;
    const state = works ? (chosen === undefined ? 'works, is used' : 'works') : found ? 'refused' : 'not found';
    if (works) chosen ??= name;
    const known = [version, device].filter(Boolean).map((it) => `; ${it}`);
    console.log(`${name.padEnd(8)}${state}${known.join('')}`);
    if (refused) console.log(`        why: ${refused}`);
    if (refused && found && options.nativePath === undefined)
      for (const file of await changedLibraries()) console.log(`        ${file} is not what it was when it was set up`);
    if (mend) console.log(`        mend: ${mend}`);
  }
  return chosen === 'native';
}
