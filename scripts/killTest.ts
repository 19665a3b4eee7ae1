// node --import tsx scripts/killTest.ts [KILLS] [FILE] [SEED]: runs an experiment once undisturbed and once killed with SIGKILL at random
// moments and resumed each time, and compares adapter and summary. Needs dist/ (npm run build). Default: ten kills of the Keeper's CAT.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Random } from '../src/base/random';
import { adapterHash, countRecords, lastingSummary, sparring } from '../test/run/killedRuns';

/** Seconds until a process has loaded the model and goes on. */
const START = 3;

async function main(): Promise<void> {
  const [kills = '10', given, seed = '1'] = process.argv.slice(2);
  const count = Number(kills);
  const cli = [join(__dirname, '..', 'dist', 'cli.js')];
  const runs = mkdtempSync(join(tmpdir(), 'sparring-kill-'));
  const file = given ?? join(__dirname, '..', 'media', 'examples', 'cat.sparring.yaml');
  const random = new Random(Number(seed), 'kills');

  const start = (id: string) => sparring(cli, ['run', file, '--runs', runs, '--run-id', id, '--plain']);
  const began = Date.now();
  const whole = start('whole');
  if ((await whole.ended) !== 0) throw new Error(whole.output());
  const seconds = (Date.now() - began) / 1000;
  console.log(`undisturbed: ${seconds.toFixed(0)} s, adapter ${adapterHash(join(runs, 'whole'))}`);

  const folder = join(runs, 'killed');
  let session = start('killed');
  for (let kill = 1; kill <= count; kill++) {
    // Each session needs its start-up, and on average a part of its share of the run to get past a checkpoint: so the kills fall into
    // every part of it, the first measurements, the training and the last ones.
    const wait = START + (1.3 * random.next() * seconds) / count;
    const ended = await Promise.race([session.ended, setTimeout(wait * 1000, undefined)]);
    if (ended !== undefined) throw new Error(`session ${kill} ended by itself (${ended}):\n${session.output()}`);
    session.child.kill('SIGKILL');
    await session.ended;
    const last = session.output().trim().split('\n').at(-1) ?? '';
    console.log(`kill ${kill} after ${wait.toFixed(1)} s, ${countRecords(folder)} records; last line: ${last}`);
    session = sparring(
      cli,
      countRecords(folder) === 0
        ? ['run', file, '--runs', runs, '--run-id', 'killed', '--plain']
        : ['resume', folder, '--plain'],
    );
  }
  const code = await session.ended;
  if (code !== 0) throw new Error(`the last session ended with ${code}:\n${session.output()}`);

  const same =
    adapterHash(folder) === adapterHash(join(runs, 'whole')) &&
    JSON.stringify(lastingSummary(folder)) === JSON.stringify(lastingSummary(join(runs, 'whole')));
  console.log(
    `killed ${count} times: adapter ${adapterHash(folder)}: ${same ? 'the same bytes and summary' : 'DIFFERENT'}`,
  );
  if (!same) process.exitCode = 1;
}

void main();
