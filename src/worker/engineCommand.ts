import { probeEngines } from '../tensor/engine';
import type { MachineFlags } from './parseCommand';

/** Lists the engines in the order in which `auto` tries them: found, or refused, why and how to mend it. */
export async function engineCommand(options: MachineFlags): Promise<void> {
  const candidates = await probeEngines({ ...options, engine: options.engine ?? 'auto' });
  let chosen = false;
  for (const { name, found, version, device, refused, mend } of candidates) {
    const works = found && refused === undefined;
    const state = works ? (chosen ? 'works' : 'works, is used') : found ? 'refused' : 'not found';
    if (works) chosen = true;
    console.log(
      `${name.padEnd(8)}${state}${[version, device]
        .filter(Boolean)
        .map((it) => `; ${it}`)
        .join('')}`,
    );
    if (refused) console.log(`        why: ${refused}`);
    if (mend) console.log(`        mend: ${mend}`);
  }
}
