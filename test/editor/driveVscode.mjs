// A real VS Code for tests: installs a VSIX into a fresh profile, starts the VS Code server, and opens it in Chromium.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';

const SETTINGS = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.startupPrompt': 'always',
  'telemetry.telemetryLevel': 'off',
  'window.autoDetectColorScheme': false,
  'window.autoDetectHighContrast': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function run(command, args, options) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    child.on('exit', (code) =>
      code === 0 ? done(output) : fail(new Error(`${command} ${args.join(' ')}: ${code}\n${output}`)),
    );
  });
}

/**
 * vscode: folder of the VS Code server; node: the Node it runs on; vsix: what to install; workspace: folder to open; trust: whether workspace trust is
 * switched off. Returns the page with what tests need around it; `stop` ends everything this started.
 */
export async function driveVscode({
  vscode,
  node,
  vsix,
  workspace,
  trust = false,
  settings = {},
  viewport = { width: 1400, height: 900 },
}) {
  if (!existsSync(join(vscode, 'out', 'server-main.js')))
    throw new Error(`no VS Code server in ${vscode}: run test/editor/setupVscode.sh first`);
  const profile = mkdtempSync(join(tmpdir(), 'sparring-editor-'));
  mkdirSync(join(profile, 'user', 'User'), { recursive: true });
  const settingsFile = join(profile, 'user', 'User', 'settings.json');
  const writeSettings = (more) => writeFileSync(settingsFile, JSON.stringify({ ...SETTINGS, ...settings, ...more }));
  writeSettings({});
  const folders = [
    '--extensions-dir',
    join(profile, 'extensions'),
    '--user-data-dir',
    join(profile, 'user'),
    '--server-data-dir',
    join(profile, 'server'),
  ];
  const common = ['out/server-main.js', '--accept-server-license-terms', ...folders];
  await run(node, [...common, '--install-extension', resolve(vsix)], { cwd: vscode });

  const port = await freePort();
  const server = spawn(
    node,
    [
      ...common,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--without-connection-token',
      '--disable-telemetry',
      ...(trust ? ['--disable-workspace-trust'] : []),
    ],
    { cwd: vscode, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  await new Promise((done, fail) => {
    const hear = (data) => {
      log += data;
      if (/listening on/.test(log)) done();
    };
    server.stdout.on('data', hear);
    server.stderr.on('data', hear);
    server.on('exit', (code) => fail(new Error(`the VS Code server ended with ${code}\n${log}`)));
  });

  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const context = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const messages = [];
  page.on('console', (message) => messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(`page error: ${error.message}`));
  await page.goto(`http://localhost:${port}/?folder=${encodeURIComponent(resolve(workspace))}`);
  await page.locator('.monaco-workbench').waitFor({ timeout: 60_000 });

  const input = page.locator('.quick-input-widget input').first();
  /** Opens the palette and types until a row with this title is there; commands are registered late after a start. */
  async function palette(text, title = text) {
    const row = page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
    for (let tries = 0; ; tries++) {
      await page.keyboard.press('F1');
      try {
        // A page that is just being shown may take the focus back and so close the palette.
        await input.waitFor({ state: 'visible', timeout: 4000 });
        await input.fill(`>${text}`, { timeout: 2000 });
        await row.waitFor({ timeout: 4000 });
        return row;
      } catch (error) {
        if (tries === 10) throw error;
        await page.keyboard.press('Escape');
      }
    }
  }
  async function command(title) {
    await palette(title);
    // Not Enter: the palette may put another match first.
    await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).first().click();
  }
  async function stop() {
    await browser.close();
    if (server.exitCode === null) {
      const ended = new Promise((done) => server.once('exit', done));
      process.kill(-server.pid, 'SIGTERM');
      await ended;
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return {
    page,
    context,
    messages,
    palette,
    command,
    writeSettings,
    stop,
    log: () => log,
    profile,
    /** The content of the webview that is shown. */
    webview: () => page.frameLocator('iframe.webview.ready >> visible=true').frameLocator('iframe#active-frame'),
  };
}
