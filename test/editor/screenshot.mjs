// Makes the README's picture: trains an example on the Keeper in a real VS Code and photographs its monitor at the end.
//   node test/editor/screenshot.mjs OUT.png [--cache FOLDER] [--vsix FILE] [--example cat]
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { driveVscode } from './driveVscode.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cache: { type: 'string', default: join(tmpdir(), 'sparring-vscode') },
    vsix: { type: 'string', default: join(root, 'sparring.vsix') },
    example: { type: 'string', default: 'cat' },
  },
});
const [out] = positionals;
if (!out) throw new Error('name the picture: node test/editor/screenshot.mjs OUT.png');
const setUp = spawnSync(join(here, 'setupVscode.sh'), [values.cache, 'new'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (setUp.status !== 0) throw new Error('setupVscode.sh failed');
const found = Object.fromEntries(
  setUp.stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=')),
);

const workspace = mkdtempSync(join(tmpdir(), 'keeper-'));
copyFileSync(
  join(root, 'media', 'examples', `${values.example}.sparring.yaml`),
  join(workspace, `keeper-${values.example}.sparring.yaml`),
);
const drive = await driveVscode({
  vscode: found.VSCODE_DIR,
  node: found.VSCODE_NODE,
  vsix: values.vsix,
  workspace,
  trust: true,
  viewport: { width: 1400, height: 985 },
});
try {
  const { page, command, webview } = drive;
  const status = (name) => webview().locator('.status', { hasText: name });
  await page.getByRole('treeitem', { name: /keeper-/ }).dblclick();
  await command('Sparring: Start Training');
  await status('Running').waitFor({ timeout: 120_000 });
  await status('Finished').waitFor({ timeout: 30 * 60_000 });
  await command('View: Close All Editors');
  await command('View: Toggle Primary Side Bar Visibility');
  await command('Sparring: Open Monitor');
  await webview().locator('#losses canvas').waitFor();
  await page
    .locator('.notification-toast')
    .waitFor({ timeout: 5000 })
    .catch(() => undefined);
  await command('Notifications: Clear All Notifications');
  await webview().locator('h1').click();
  await page.waitForTimeout(1000);
  await page.screenshot({ path: out });
} finally {
  await drive.stop();
  rmSync(workspace, { recursive: true, force: true, maxRetries: 5 });
}
