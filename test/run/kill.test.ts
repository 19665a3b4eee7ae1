import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Random } from '../../src/base/random';
import { adapterHash, countRecords, lastingSummary, type Session, sourceCli, sparring } from './killedRuns';
import { tinyExperiment } from './tinyExperiment';

const KILLS = 3;

/** Kills a session with SIGKILL once it has written `records` more lines and some milliseconds have passed. False when it ended before. */
async function kill({ child, ended }: Session, folder: string, records: number, delay: number): Promise<boolean> {
  const from = countRecords(folder);
  let over = false;
  void ended.then(() => (over = true));
  while (!over && countRecords(folder) < from + records) await setTimeout(2);
  await setTimeout(delay);
  child.kill('SIGKILL');
  return (await ended) === 'SIGKILL';
}

test('a run killed with SIGKILL at random moments and resumed ends in the same bytes', async () => {
  const { folder, file } = tinyExperiment((yaml) =>
    yaml
      .replace('steps: 6', 'steps: 40')
      .replace('every: 2', 'every: 7')
      .concat('checkpoints: { every: 3, keep: 2 }\n'),
  );
  const runs = join(folder, 'runs', 'tiny');
  const start = (id: string) => sparring(sourceCli, ['run', file, '--runs', runs, '--run-id', id, '--threads', '1']);
  const whole = start('whole');
  assert.equal(await whole.ended, 0, whole.output());

  const killed = join(runs, 'killed');
  const random = new Random(11, 'kills');
  let session = start('killed');
  for (let i = 0; i < KILLS; i++) {
    assert.ok(
      await kill(session, killed, 4 + random.int(30), random.int(25)),
      `session ${i} ended by itself: ${session.output()}`,
    );
    assert.ok(!existsSync(join(killed, 'summary.json')));
    session = sparring(sourceCli, ['resume', killed]);
  }
  assert.equal(await session.ended, 0, session.output());
  assert.match(session.output(), /Resumed after step \d+/);
  assert.equal(adapterHash(killed), adapterHash(join(runs, 'whole')));
  assert.deepEqual(lastingSummary(killed), lastingSummary(join(runs, 'whole')));
});
