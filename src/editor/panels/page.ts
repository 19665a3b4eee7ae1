import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

const escaped: { readonly [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (it) => escaped[it] ?? it);

/** Where pages may load from: what we built, nothing else. */
export const resourceRoots = (extension: vscode.Uri): vscode.Uri[] => [
  vscode.Uri.joinPath(extension, 'dist', 'webview'),
];

/** A tab's icon cannot take the theme's colour by itself, so there is one for each kind. */
export const panelIcon = (extension: vscode.Uri): { light: vscode.Uri; dark: vscode.Uri } => ({
  light: vscode.Uri.joinPath(extension, 'media', 'icon-light.svg'),
  dark: vscode.Uri.joinPath(extension, 'media', 'icon-dark.svg'),
});

/**
 * The page of a panel. Its policy allows our two files by nonce and nothing else: no inline code, no connection, no image, no frame. The toolkit
 * reads the nonce from the csp-nonce tag for its own style element.
 */
export function page(webview: vscode.Webview, extension: vscode.Uri, name: string, title: string): string {
  const nonce = randomBytes(18).toString('base64');
  const file = (extension_: string) =>
    escapeHtml(
      webview.asWebviewUri(vscode.Uri.joinPath(extension, 'dist', 'webview', `${name}.${extension_}`)).toString(),
    );
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${webview.cspSource} 'nonce-${nonce}'; base-uri 'none'; form-action 'none'`;
  // Inside a script element only '<' could end it early.
  const translations = JSON.stringify(vscode.l10n.bundle ?? {}).replace(/</g, '\\u003c');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(vscode.env.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta property="csp-nonce" content="${nonce}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" nonce="${nonce}" href="${file('css')}">
<title>${escapeHtml(title)}</title>
</head>
<body>
<main id="${name}"><p class="empty">${escapeHtml(vscode.l10n.t('Reading the run folder ...'))}</p></main>
<script type="application/json" nonce="${nonce}" id="translations">${translations}</script>
<script nonce="${nonce}" src="${file('js')}"></script>
</body>
</html>`;
}
