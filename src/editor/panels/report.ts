import { join } from 'node:path';
import * as vscode from 'vscode';
import { isFile, readTextAsync } from '../../base/files';
import { Problem } from '../../base/problem';
import { runFile, runLabel } from '../../records/runFolder';

// The report has its styles and drawings inside; nothing else may load, and nothing may run.
const POLICY = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">`;

/** Shows a run's report: report.html in a page without scripts, or report.md in the Markdown preview. */
export async function showReport(folder: string): Promise<void> {
  const html = runFile(folder, 'reportHtml');
  const markdown = runFile(folder, 'report');
  if (isFile(html)) {
    const title = vscode.l10n.t('Report: {0}', runLabel(folder));
    const panel = vscode.window.createWebviewPanel('sparring.report', title, vscode.ViewColumn.Active, {
      enableScripts: false,
      localResourceRoots: [],
    });
    const text = await readTextAsync(html);
    panel.webview.html = /<head[^>]*>/i.test(text) ? text.replace(/<head[^>]*>/i, `$&${POLICY}`) : POLICY + text;
    return;
  }
  if (isFile(markdown)) {
    await vscode.commands.executeCommand('markdown.showPreview', vscode.Uri.file(markdown));
    return;
  }
  throw new Problem(
    'noReport',
    vscode.l10n.t('There is no report yet in {0}: it is written when the run finishes.', join(folder)),
  );
}
