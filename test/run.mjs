// Runs the test files under test/ (all, or those whose path contains one of the arguments) with node's test runner, which is given the
// arguments that begin with --.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const options = process.argv.slice(2).filter((it) => it.startsWith('--'));
const wanted = process.argv.slice(2).filter((it) => !it.startsWith('--'));
const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => relative(root, join(here, file)))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(', ')}`);
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-concurrency=2', ...options, ...files],
  { stdio: 'inherit', cwd: root },
);
process.exit(status ?? 1);
