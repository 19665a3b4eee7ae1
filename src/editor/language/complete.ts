import * as vscode from 'vscode';
import { Scope } from '../../base/scope';
import { type Completion, completionsAt } from '../../experiment/language';
import { EXPERIMENT_SELECTOR } from '../experimentFile';

function toItem(document: vscode.TextDocument, it: Completion): vscode.CompletionItem {
  const kind = it.kind === 'key' ? vscode.CompletionItemKind.Property : vscode.CompletionItemKind.Value;
  const item = new vscode.CompletionItem({ label: it.label, description: it.detail }, kind);
  item.insertText = new vscode.SnippetString(it.snippet);
  item.range = new vscode.Range(document.positionAt(it.replace.start), document.positionAt(it.replace.end));
  item.documentation = new vscode.MarkdownString(it.markdown);
  item.sortText = it.order;
  item.filterText = it.label;
  return item;
}

/** The settings and values that the schema allows where the cursor stands. */
export function complete(): Scope {
  const scope = new Scope();
  scope.own(
    vscode.languages.registerCompletionItemProvider(
      EXPERIMENT_SELECTOR,
      {
        provideCompletionItems(document, position) {
          const offset = document.offsetAt(position);
          return completionsAt(document.getText(), document.uri.fsPath, offset).map((it) => toItem(document, it));
        },
      },
      ':',
      ' ',
      '"',
    ),
  );
  return scope;
}
