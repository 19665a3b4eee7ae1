import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { NEEDS_TRUST } from '../../src/editor/commandIds';

const root = dirname(dirname(__dirname));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Command {
  command: string;
  title: string;
  category?: string;
  enablement?: string;
}
interface MenuItem {
  command: string;
  when?: string;
}
interface Manifest {
  activationEvents: string[];
  icon: string;
  l10n: string;
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  contributes: {
    commands: Command[];
    menus: { [place: string]: MenuItem[] };
    views: { [container: string]: { id: string }[] };
    viewsWelcome: { view: string }[];
    configuration: { properties: { [name: string]: { scope: string } } };
    walkthroughs: { steps: { media: { svg: string } }[] }[];
  };
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const { contributes } = manifest;
const ids = Object.keys(NEEDS_TRUST).sort();

/** Every `%key%` of the manifest. */
const keysOf = (text: string): string[] => [...new Set([...text.matchAll(/"%([^%"]+)%"/g)].map((it) => it[1] ?? ''))];

test('the manifest declares exactly the commands that exist, with title and category', () => {
  assert.deepEqual(contributes.commands.map((it) => it.command).sort(), ids);
  for (const command of contributes.commands) {
    assert.equal(command.category, 'Sparring', command.command);
    assert.match(command.title, /^%command\.\w+%$/);
  }
});

test('commands that need trust are disabled and hidden without it', () => {
  for (const command of contributes.commands) {
    const needs = NEEDS_TRUST[command.command as keyof typeof NEEDS_TRUST];
    assert.equal(command.enablement === 'isWorkspaceTrusted', needs, command.command);
    const palette = contributes.menus['commandPalette']?.find((it) => it.command === command.command);
    assert.equal(palette?.when === 'isWorkspaceTrusted', needs, `${command.command} in the palette`);
  }
  for (const [place, items] of Object.entries(contributes.menus))
    for (const { command, when } of items) {
      assert.ok(ids.includes(command), `${place} names ${command}`);
      if (NEEDS_TRUST[command as keyof typeof NEEDS_TRUST])
        assert.match(when ?? '', /isWorkspaceTrusted/, `${command} in ${place}`);
    }
});

test('welcome texts belong to views, settings to the machine, files exist', () => {
  const views = Object.values(contributes.views).flatMap((list) => list.map((it) => it.id));
  for (const { view } of contributes.viewsWelcome) assert.ok(views.includes(view), view);
  const settings = contributes.configuration.properties;
  for (const [name, { scope }] of Object.entries(settings)) assert.equal(scope, 'machine', name);
  assert.deepEqual(
    manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.sort(),
    Object.keys(settings).sort(),
  );
  for (const file of [
    manifest.icon,
    ...contributes.walkthroughs.flatMap((it) => it.steps.map((step) => step.media.svg)),
  ])
    assert.ok(existsSync(join(root, file)), file);
});

test('every text of the manifest is in package.nls.json, and none is left over', () => {
  const texts = JSON.parse(read('package.nls.json')) as { [key: string]: string };
  assert.deepEqual(keysOf(read('package.json')).sort(), Object.keys(texts).sort());
  const commands = [...JSON.stringify(texts).matchAll(/command:(sparring\.\w+)/g)].map((it) => it[1] ?? '');
  for (const command of commands) assert.ok(ids.includes(command), `a text leads to ${command}`);
});

/** What code shows to people, in English: the arguments of `t(...)`. */
function textsOfCode(): string[] {
  const files = ['src/editor', 'webview'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  const found = files.flatMap((file) =>
    [...read(file).matchAll(/\bt\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g)].map((it) =>
      (it[1] ?? it[2] ?? '').replace(/\\(.)/g, '$1'),
    ),
  );
  return [...new Set(found)].sort();
}

test('l10n/bundle.l10n.json lists every text of the code (UPDATE_TEXTS=1 writes it)', () => {
  const file = join(root, manifest.l10n, 'bundle.l10n.json');
  const texts = Object.fromEntries(textsOfCode().map((text) => [text, text]));
  if (process.env['UPDATE_TEXTS']) writeFileSync(file, `${JSON.stringify(texts, null, 2)}\n`);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), texts);
});
