import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(__dirname, '..', '..');

test('the network is used in one place only, for one command only', () => {
  const users = ['src', 'webview', 'keeper'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => join(folder, file))
      .filter((file) => file.endsWith('.ts'))
      .filter((file) => {
        const text = readFileSync(join(root, file), 'utf8');
        return /\bfetch\(|XMLHttpRequest|WebSocket|['"](node:)?(https?|http2|dgram|tls)['"]/.test(text);
      }),
  );
  assert.deepEqual(users, [join('src', 'hub', 'hubRequest.ts')]);
  const pullers = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('hub'))
    .filter((file) => /from '.*\/hub\//.test(readFileSync(join(root, 'src', file), 'utf8')));
  assert.deepEqual(pullers, [join('worker', 'modelCommand.ts')]);
});
