import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

/** Runs the program to its own end; a thread that keeps the process alive makes it fail after a minute. */
async function printed(threads: number): Promise<string> {
  const program = ['--import', 'tsx', join(__dirname, 'printHash.ts'), String(threads)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, program, { timeout: 60_000 });
  assert.equal(stderr, '');
  return stdout;
}

test('one, two and three threads compute the same bits, print nothing and let the process end', async () => {
  const outputs = [await printed(1), await printed(2), await printed(3)];
  const hashes = outputs.map((output, i) => {
    assert.match(output, /^\d [0-9a-f]{64}\n$/);
    assert.equal(output[0], String(i + 1));
    return output.slice(2);
  });
  assert.equal(hashes[1], hashes[0]);
  assert.equal(hashes[2], hashes[0]);
});
