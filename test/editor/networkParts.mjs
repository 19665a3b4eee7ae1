// The parts of the end-to-end test that download something: models from a server that plays the Hub, and TensorFlow by pip.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function networkParts({ drive: { page, command }, shot, done, workspace, file }) {
  async function download() {
    await command('View: Close All Editors');
    const missing = join(workspace, 'hub.sparring.yaml');
    writeFileSync(missing, readFileSync(file, 'utf8').replace('builtin:keeper', 'hf:sparring/keeper'));
    await page
      .getByRole('treeitem', { name: /hub\.sparring\.yaml/ })
      .first()
      .dblclick();
    await page.locator('.squiggly-error').first().waitFor({ timeout: 20_000 });
    const line = page.locator('.editor-instance .view-line', { hasText: 'hf:sparring/keeper' }).first();
    await line.getByText('sparring').first().click();
    await page.keyboard.press('Control+.');
    await page.locator('.action-widget').getByText('Download Model').first().waitFor();
    await shot('downloadFix');
    await page.keyboard.press('Enter');
    const toast = (text) => page.locator('.notification-toast', { hasText: text });
    await toast(/Downloading sparring\/keeper/)
      .first()
      .waitFor({ timeout: 20_000 });
    await toast(/MB/).first().waitFor({ timeout: 20_000 });
    await shot('downloading');
    await toast('hf:sparring/keeper is downloaded').first().waitFor({ timeout: 30_000 });
    await page.locator('.squiggly-error').first().waitFor({ state: 'detached', timeout: 20_000 });
    await command('Notifications: Clear All Notifications');

    await command('Sparring: Download Model');
    const input = page.locator('.quick-input-widget input').first();
    await input.fill('no model');
    await page.locator('.quick-input-widget', { hasText: 'names no model of the Hub' }).waitFor();
    await shot('downloadInput');
    await input.fill('sparring/stuck');
    await page.keyboard.press('Enter');
    await toast(/MB/).first().waitFor({ timeout: 20_000 });
    await page.waitForTimeout(500);
    await toast(/Downloading sparring\/stuck/)
      .first()
      .locator('.monaco-button', { hasText: 'Cancel' })
      .click();
    await toast('the next one goes on from there').first().waitFor({ timeout: 20_000 });
    await command('Notifications: Clear All Notifications');
    await command('Sparring: Download Model');
    await input.fill('sparring/nothing');
    await page.keyboard.press('Enter');
    await toast('there is no model or revision sparring/nothing').first().waitFor({ timeout: 20_000 });
    await shot('downloadProblem');
    await command('Notifications: Clear All Notifications');
    await command('View: Close All Editors');
  }

  /** With pip at hand the native engine is set up as a user does it; without, this part is left out. */
  async function engine() {
    if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0) return done('no pip: the engine is not set up');
    await command('Sparring: Set Up Native Engine');
    const dialog = page.locator('.monaco-dialog-box', { hasText: 'Set up the native engine?' });
    await dialog.waitFor();
    await shot('engineDialog');
    await dialog.locator('.monaco-button', { hasText: /^Download$/ }).click();
    const report = page.locator('.view-line', { hasText: /works,\sis\sused;\sTensorFlow\s2/ });
    const refused = page.locator('.notification-toast', { hasText: 'pip could not fetch' });
    await report.or(refused).first().waitFor({ timeout: 300_000 });
    if (await refused.isVisible()) done('pip could not fetch TensorFlow here');
    await shot('engineReport');
    await command('Notifications: Clear All Notifications');
    await command('View: Toggle Panel Visibility');
  }

  return [download, engine];
}
