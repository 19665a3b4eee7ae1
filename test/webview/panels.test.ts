import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFromMonitor } from '../../src/protocol/panels';

test('messages of a monitor are taken as they are declared, and nothing else', () => {
  for (const good of [
    { t: 'ready' },
    { t: 'reveal', ids: ['a', 'b'] },
    { t: 'stop' },
    { t: 'open', at: ['evaluation', 'attacks', 0] },
  ])
    assert.deepEqual(parseFromMonitor(good), good);
  for (const bad of [
    undefined,
    'ready',
    { t: 'run' },
    { t: 'ready', command: 'x' },
    { t: 'reveal', ids: 'a' },
    { t: 'open', at: [{}] },
    { t: 'open', at: ['a'], file: '/etc/passwd' },
  ])
    assert.equal(parseFromMonitor(bad), undefined, JSON.stringify(bad));
});
