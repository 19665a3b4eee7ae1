import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { hoverAt } from '../../experiment/language';
import { EXPERIMENT_SELECTOR } from '../experimentFile';

/** What a setting means, its default, range and paper. */
export function hover(): Scope {
  const scope = new Scope();
  scope.own(
    vscode.languages.registerHoverProvider(EXPERIMENT_SELECTOR, {
      provideHover(document, position) {
        const found = hoverAt(document.getText(), document.uri.fsPath, document.offsetAt(position));
        if (!found) return undefined;
        const { line, column, endLine, endColumn } = found.range;
        // The text is ours, from the schema; it is still not trusted with commands.
        return new vscode.Hover(
          new vscode.MarkdownString(found.markdown),
          new vscode.Range(line - 1, column - 1, endLine - 1, endColumn - 1),
        );
      },
    }),
  );
  return scope;
}
