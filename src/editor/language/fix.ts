import * as vscode from 'vscode';
import type { Fix, ProblemData } from '../../base/problem';
import { parseExperiment, type Range } from '../../experiment/parse';

const toRange = (it: Range): vscode.Range =>
  new vscode.Range(it.line - 1, it.column - 1, it.endLine - 1, it.endColumn - 1);

/** A word as YAML writes it, in quotes only where it would be read as something else. */
function written(value: unknown, json: boolean): string {
  if (
    typeof value === 'string' &&
    !json &&
    /^[A-Za-z_./][\w./: -]*$/.test(value) &&
    !/^(true|false|null|yes|no)$/i.test(value) &&
    !value.includes(': ')
  )
    return value;
  return JSON.stringify(value);
}

/** The edit of a problem's fix in the text as it stands. */
export function applyFix(document: vscode.TextDocument, problem: ProblemData & { fix: Fix }): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  const json = document.fileName.endsWith('.json');
  const parsed = parseExperiment(document.getText(), document.fileName);
  const at = problem.at ?? [];
  const { fix } = problem;
  switch (fix.kind) {
    case 'rename':
      edit.replace(document.uri, toRange(parsed.rangeOf(at, 'key')), json ? JSON.stringify(fix.name) : fix.name);
      return edit;
    case 'set':
      edit.replace(document.uri, toRange(parsed.rangeOf(at, 'value')), written(fix.value, json));
      return edit;
    case 'remove': {
      const key = toRange(parsed.rangeOf(at, 'key'));
      const value = toRange(parsed.rangeOf(at, 'value'));
      const whole = key.union(value);
      const first = document.lineAt(whole.start.line);
      const alone = first.text.slice(0, whole.start.character).trim() === '';
      // A key that has its lines for itself takes them along; in a flow map only the pair and its comma go.
      const lines = new vscode.Range(whole.start.line, 0, whole.end.line + 1, 0);
      const comma = /^\s*,/.exec(document.lineAt(whole.end.line).text.slice(whole.end.character))?.[0].length ?? 0;
      edit.delete(document.uri, alone ? lines : whole.with({ end: whole.end.translate(0, comma) }));
      return edit;
    }
  }
}
