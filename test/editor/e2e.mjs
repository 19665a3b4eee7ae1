// End to end in a real VS Code: installs the VSIX, then does what a user does. See setupVscode.sh for where the VS Code comes from.
//   node test/editor/e2e.mjs [--cache FOLDER] [--kind new|old] [--vsix FILE] [--shots FOLDER]
// The cache (VS Code server, its Node) and the screenshots stay outside the repository.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse, stringify } from 'yaml';
import { driveVscode } from './driveVscode.mjs';
import { hubOfKeeper } from './hubOfKeeper.mjs';
import { networkParts } from './networkParts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const { values } = parseArgs({
  options: {
    cache: { type: 'string', default: join(tmpdir(), 'sparring-vscode') },
    kind: { type: 'string', default: 'new' },
    vsix: { type: 'string', default: join(root, 'sparring.vsix') },
    shots: { type: 'string', default: join(tmpdir(), 'sparring-shots') },
  },
});
const vsix = resolve(values.vsix);
if (!existsSync(vsix)) execFileSync('npm', ['run', 'package'], { cwd: root, stdio: 'inherit' });
const setUp = spawnSync(join(here, 'setupVscode.sh'), [values.cache, values.kind], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
assert.equal(setUp.status, 0, 'setupVscode.sh failed');
const found = Object.fromEntries(
  setUp.stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=')),
);
mkdirSync(values.shots, { recursive: true });
const workspace = mkdtempSync(join(tmpdir(), 'sparring-workspace-'));

const began = Date.now();
const done = (what) => console.log(`[${((Date.now() - began) / 1000).toFixed(1)} s] ${what}`);

const hub = await hubOfKeeper(join(root, 'media', 'keeper'));
process.env.HF_ENDPOINT = hub.endpoint;
process.env.HF_HOME = join(workspace, '.hub');
process.env.SPARRING_HOME = join(workspace, '.engines');
const drive = await driveVscode({ vscode: found.VSCODE_DIR, node: found.VSCODE_NODE, vsix, workspace });
const { page, command, palette, webview } = drive;
const shot = (name) => page.screenshot({ path: join(values.shots, `${values.kind}-${name}.png`) });
const rows = page.locator('.quick-input-list .monaco-list-row');
const status = (name) => webview().locator('.status', { hasText: name });
const monitorButton = (name) => webview().locator('.actions vscode-button', { hasText: name });
const file = join(workspace, 'cat.sparring.yaml');

/** Makes an experiment short: what is tested here is the way of the numbers, not the numbers. */
function shorten(path, steps, evaluate) {
  const experiment = parse(readFileSync(path, 'utf8'));
  Object.assign(experiment.training, { steps, rows: 4 });
  const { attacks, every, ...units } = experiment.evaluation;
  for (const [name, unit] of Object.entries(units))
    if (typeof unit === 'object') experiment.evaluation[name] = { ...unit, limit: 4 };
  experiment.evaluation.attacks = evaluate ? [{ ...attacks[0], iterations: 3, epsilon: [0.3], limit: 4 }] : [];
  experiment.evaluation.every = evaluate ? 1 : 0;
  experiment.evaluation.duringRows = 2;
  experiment.evaluation.before = evaluate;
  experiment.attack.iterations = 3;
  writeFileSync(path, stringify(experiment));
}

async function theme(name) {
  await command('Preferences: Color Theme');
  await page.locator('.quick-input-widget input').first().fill(name);
  await rows.filter({ hasText: name }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

async function restricted() {
  await page.getByRole('button', { name: /No, I don't trust/ }).click({ timeout: 60_000 });
  await palette('Sparring:', 'New Experiment');
  assert.equal(
    await rows.filter({ hasText: 'Start Training' }).count(),
    0,
    'Start Training is offered in an untrusted folder',
  );
  await shot('restricted');
  await page.keyboard.press('Escape');
  await command('Workspaces: Manage Workspace Trust');
  await page
    .locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ })
    .first()
    .click();
  await page.getByText('You trust this folder').first().waitFor();
  await page.keyboard.press('Control+w');
}

async function newExperiment() {
  await command('Sparring: New Experiment');
  await rows.filter({ hasText: 'CAT:' }).first().waitFor();
  await shot('newExperiment');
  await rows.filter({ hasText: 'CAT:' }).first().click();
  await page
    .getByRole('tab', { name: /cat\.sparring\.yaml/ })
    .first()
    .waitFor();
  assert.ok(existsSync(file));
}

async function train() {
  shorten(file, 3, true);
  await command('Sparring: Start Training');
  await webview().locator('h1', { hasText: 'cat' }).waitFor({ timeout: 60_000 });
  await status('Running').waitFor({ timeout: 60_000 });
  await webview().locator('#losses canvas').waitFor({ timeout: 180_000 });
  const step = await webview().locator('.progress strong').textContent();
  done(`curves: ${step}`);
  await shot('running');
  await status('Finished').waitFor({ timeout: 300_000 });
  assert.match(await webview().locator('.progress strong').textContent(), /Step 3 of 3/);
  await webview().locator('#losses button', { hasText: 'Show as table' }).click();
  assert.equal(await webview().locator('#losses tbody tr').count(), 3, 'one row per step');
  await webview().locator('#losses button', { hasText: 'Show as chart' }).click();
  const rates = webview().locator('.rates tbody tr');
  assert.ok((await rows.count()) >= 0 && (await rates.count()) >= 5, 'rates before and after');
  assert.equal(await webview().locator('.rates .none').count(), 0, 'every rate is measured twice');
}

async function texts() {
  assert.equal(await webview().locator('.said').count(), 0, 'no text before consent');
  await webview().locator('vscode-button', { hasText: 'Show the texts' }).click();
  await webview().locator('.said').first().waitFor();
  assert.ok((await webview().locator('.samples > li').count()) > 0);
}

async function reload() {
  await command('Developer: Reload Window');
  await page.waitForTimeout(1500);
  await page.locator('.monaco-workbench').waitFor({ timeout: 60_000 });
  await status('Finished').waitFor({ timeout: 60_000 });
  await webview().locator('.said').first().waitFor({ timeout: 20_000 });
  await webview().locator('#losses canvas').waitFor();
}

async function report() {
  await monitorButton('Show Report').click();
  await page
    .getByRole('tab', { name: /^Report: cat/ })
    .first()
    .waitFor();
  await webview().locator('table').first().waitFor({ timeout: 20_000 });
  await shot('report');
  await page.keyboard.press('Control+w');
}

async function openLine() {
  await webview()
    .locator('vscode-link', { hasText: /^line \d+/ })
    .first()
    .click();
  await page.locator('.editor-instance .monaco-editor .view-line').first().waitFor();
  await command('View: Close All Editors');
}

function newestRun() {
  const runs = join(workspace, 'runs', 'cat');
  return join(runs, readdirSync(runs).sort().at(-1));
}

async function stopAndResume() {
  // more steps than it will come to before it is stopped
  shorten(file, 20_000, false);
  await page
    .getByRole('treeitem', { name: /cat\.sparring\.yaml/ })
    .first()
    .dblclick();
  await command('Sparring: Start Training');
  const strong = () => webview().locator('.progress strong');
  const stepNow = async () => Number(/Step (\d+)/.exec((await strong().textContent()) ?? '')?.[1] ?? 0);
  const until = async (least) => {
    for (let i = 0; (await stepNow()) < least; i++) {
      assert.ok(i < 1200, `step ${least} did not come`);
      await page.waitForTimeout(100);
    }
  };
  await status('Running').waitFor({ timeout: 60_000 });
  await until(2);
  await page.locator('.statusbar-item', { hasText: /Sparring: step/ }).waitFor();
  await command('Developer: Reload Window');
  await page.waitForTimeout(1500);
  await status('Running').waitFor({ timeout: 60_000 });
  done('the run outlived the window');
  await until((await stepNow()) + 1);
  await monitorButton('Stop').click();
  await status('Stopped').waitFor({ timeout: 60_000 });
  const stopped = await stepNow();
  await shot('stopped');
  await monitorButton('Resume').click();
  await status('Running').waitFor({ timeout: 60_000 });
  await until(stopped + 2);
  const folder = newestRun();
  process.kill(JSON.parse(readFileSync(join(folder, 'worker.json'), 'utf8')).pid, 'SIGKILL');
  await status('Interrupted').waitFor({ timeout: 60_000 });
  await page.locator('.notification-toast', { hasText: 'ended without a word' }).waitFor({ timeout: 30_000 });
  await command('Notifications: Clear All Notifications');
  done('a killed worker is noticed');
  await monitorButton('Resume').click();
  await status('Running').waitFor({ timeout: 60_000 });
  await until(stopped + 3);
  await command('Sparring: Stop');
  await status('Stopped').waitFor({ timeout: 60_000 });
  done(`stopped at ${stopped}, resumed, stopped at ${await stepNow()}`);
  await command('View: Close All Editors');
}

async function withinAStep() {
  shorten(file, 2, false);
  const experiment = parse(readFileSync(file, 'utf8'));
  // far longer than anybody here waits
  experiment.attack.iterations = 10_000;
  writeFileSync(file, stringify(experiment));
  await page
    .getByRole('treeitem', { name: /cat\.sparring\.yaml/ })
    .first()
    .dblclick();
  await command('Sparring: Start Training');
  await webview()
    .locator('.activity', { hasText: /In step 1: attack iteration \d+ of 10000/ })
    .waitFor({ timeout: 60_000 });
  await shot('withinAStep');
  await monitorButton('Stop').click();
  await status('Stopped').waitFor({ timeout: 30_000 });
  assert.match(await webview().locator('.progress strong').textContent(), /Step 0/);
  await command('View: Close All Editors');
}

async function language() {
  const broken = join(workspace, 'broken.sparring.yaml');
  writeFileSync(broken, readFileSync(file, 'utf8').replace('epsilon: 0.3', 'epsilonn: 0.3'));
  await page
    .getByRole('treeitem', { name: /broken\.sparring\.yaml/ })
    .first()
    .dblclick();
  const editor = page.locator('.editor-instance .monaco-editor').first();
  await page.locator('.squiggly-error').first().waitFor({ timeout: 20_000 });
  await editor.locator('.view-line', { hasText: 'epsilonn' }).first().click();
  await page.keyboard.press('Home');
  await page.keyboard.press('Control+.');
  const fix = page
    .locator('.action-widget')
    .getByText(/epsilon/)
    .first();
  await fix.waitFor();
  await shot('quickFix');
  await page.keyboard.press('Enter');
  await page.locator('.squiggly-error').first().waitFor({ state: 'detached' });
  await page.keyboard.press('Control+End');
  await page.keyboard.type('\nsys');
  await page.keyboard.press('Control+Space');
  await page.locator('.suggest-widget.visible .monaco-list-row', { hasText: 'system' }).first().waitFor();
  await shot('completion');
  await page.keyboard.press('Escape');
  // A hover that comes while the list of completions closes is dropped: the mouse goes away and comes back until one stays.
  const hover = page.locator('.monaco-hover:visible', { hasText: 'maxNewTokens' }).first();
  const word = editor.locator('.view-line', { hasText: 'maxNewTokens' }).first().getByText('maxNewTokens').first();
  for (let tries = 0; tries < 10 && !(await hover.isVisible()); tries++) {
    await page.mouse.move(5, 5);
    await word.hover();
    await hover.waitFor({ timeout: 3000 }).catch(() => undefined);
  }
  await hover.waitFor({ timeout: 1000 });
  await shot('hover');
  await page.keyboard.press('Control+z');
  await page.keyboard.press('Control+s');
}

/** A picture of what is open in every kind of theme, once `ready` has found it whole. */
async function inThemes(what, ready) {
  for (const [short, name] of [
    ['dark', 'Dark Modern'],
    ['light', 'Light Modern'],
    ['contrast', 'Dark High Contrast'],
    ['light-contrast', 'Light High Contrast'],
  ]) {
    await theme(name);
    await page.waitForTimeout(700);
    await ready();
    await shot(`${what}-${short}`);
  }
}

async function looks() {
  await page
    .getByRole('tab', { name: /^Sparring/ })
    .first()
    .click();
  await page
    .getByRole('treeitem', { name: /finished/ })
    .first()
    .waitFor({ timeout: 30_000 });
  await shot('trees');
  await page
    .getByRole('treeitem', { name: /finished/ })
    .first()
    .click();
  await status('Finished').waitFor();
  await command('View: Close Primary Side Bar').catch(() => command('View: Toggle Primary Side Bar Visibility'));
  await inThemes('monitor', () => webview().locator('#losses canvas').waitFor());
  await monitorButton('Show Report').click();
  await inThemes('report', async () => {
    const body = webview().locator('body', { has: page.locator('table') });
    const colours = await body.evaluate((it) => {
      it.style.outlineColor = 'var(--vscode-editor-background)';
      const { backgroundColor, outlineColor } = getComputedStyle(it);
      return { ground: backgroundColor, theme: outlineColor };
    });
    assert.equal(colours.ground, colours.theme, 'the report has the ground of the theme');
  });
  await page.keyboard.press('Control+w');
  await page.setViewportSize({ width: 560, height: 900 });
  await page.waitForTimeout(700);
  await shot('monitor-narrow');
}

function bundle() {
  const text = readFileSync(
    join(
      drive.profile,
      'extensions',
      readdirSync(join(drive.profile, 'extensions')).find((it) => it.startsWith('sparring.')),
      'dist',
      'extension.js',
    ),
    'utf8',
  );
  for (const sign of ['tfjs-core', 'registerKernel', 'wasmBackend'])
    assert.ok(!text.includes(sign), `the extension bundles tensor code: ${sign}`);
}

function console_() {
  const bad = drive.messages.filter(
    (it) => /Content Security Policy|violates the following/i.test(it) && !/vsda|gallery/.test(it),
  );
  assert.deepEqual(bad, [], 'violations of the content security policy');
}

let failed = false;
try {
  for (const part of [
    bundle,
    restricted,
    newExperiment,
    train,
    texts,
    reload,
    report,
    openLine,
    stopAndResume,
    withinAStep,
    language,
    ...networkParts({ drive, shot, done, workspace, file }),
    looks,
    console_,
  ]) {
    await part();
    done(part.name.replace('_', ''));
  }
} catch (error) {
  failed = true;
  console.error(error);
  await shot('failure');
  console.error(
    drive.messages
      .filter((it) => /sparring/i.test(it))
      .slice(-10)
      .join('\n'),
  );
} finally {
  await drive.stop();
  if (!failed) rmSync(workspace, { recursive: true, force: true, maxRetries: 5 });
  else console.error(`workspace kept: ${workspace}`);
}
process.exit(failed ? 1 : 0);
