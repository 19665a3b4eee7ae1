import * as vscode from 'vscode';
import type { Fix, ProblemData } from '../../base/problem';
import { Scope } from '../../base/scope';
import { mend } from '../../experiment/mend';
import { parseExperiment } from '../../experiment/parse';
import { resolveExperiment } from '../../experiment/resolve';
import { experimentSchema } from '../../experiment/schema';
import { EXPERIMENT_SELECTOR } from '../experimentFile';
import { log } from '../log';
import { modelsChanged } from '../modelsChanged';

const AFTER_TYPING = 250;

export const rangeOf = (problem: ProblemData): vscode.Range =>
  new vscode.Range(
    (problem.line ?? 1) - 1,
    (problem.column ?? 1) - 1,
    (problem.endLine ?? problem.line ?? 1) - 1,
    (problem.endColumn ?? (problem.column ?? 1) + 1) - 1,
  );

export function problemsOf(document: vscode.TextDocument): ProblemData[] {
  const [text, file] = [document.getText(), document.uri.fsPath];
  // A document on no disk (a virtual workspace, the left side of a diff) is checked as far as its text goes: there is no folder to look for files in.
  if (document.uri.scheme !== 'file' && experimentSchema.safeParse(parseExperiment(text, file).value).success)
    return [];
  return resolveExperiment(text, file).problems;
}

/** The change that carries out a problem's fix; empty when the text no longer fits. */
function editOf(document: vscode.TextDocument, problem: ProblemData & { fix: Fix }): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  const change = mend(document.getText(), document.uri.fsPath, problem.at ?? [], problem.fix);
  if (change) {
    const range = new vscode.Range(document.positionAt(change.start), document.positionAt(change.end));
    edit.replace(document.uri, range, change.text);
  }
  return edit;
}

/** Offers to download a model that an experiment names and this machine does not have. */
function downloads(document: vscode.TextDocument, problems: readonly ProblemData[], range: vscode.Range) {
  const missing = problems.find((it) => it.code === 'notDownloaded' && rangeOf(it).intersection(range) !== undefined);
  const { model } = (parseExperiment(document.getText(), document.uri.fsPath).value ?? {}) as { model?: unknown };
  if (!missing || typeof model !== 'string') return [];
  const title = vscode.l10n.t('Download Model');
  const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
  action.command = { command: 'sparring.downloadModel', title, arguments: [model] };
  action.isPreferred = true;
  return [action];
}

/** Diagnostics of open experiment files, and the quick fixes that problems carry. */
export function diagnose(): Scope {
  const scope = new Scope();
  const collection = scope.own(vscode.languages.createDiagnosticCollection('sparring'));
  const found = new Map<string, { diagnostic: vscode.Diagnostic; problem: ProblemData }[]>();
  const timers = new Map<string, NodeJS.Timeout>();

  const check = (document: vscode.TextDocument) => {
    const key = document.uri.toString();
    let problems: ProblemData[];
    try {
      problems = problemsOf(document);
    } catch (error) {
      // A bug of ours: the file keeps its last diagnostics, the log has the reason.
      log.error(`checking ${key}: ${error instanceof Error ? error.stack : String(error)}`);
      return;
    }
    const list = problems.map((problem) => {
      const diagnostic = new vscode.Diagnostic(
        rangeOf(problem),
        problem.message,
        problem.severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning,
      );
      diagnostic.source = 'Sparring';
      diagnostic.code = problem.code;
      return { diagnostic, problem };
    });
    found.set(key, list);
    collection.set(
      document.uri,
      list.map((it) => it.diagnostic),
    );
  };
  const checkSoon = (document: vscode.TextDocument) => {
    const key = document.uri.toString();
    clearTimeout(timers.get(key));
    timers.set(
      key,
      setTimeout(() => check(document), AFTER_TYPING),
    );
  };
  const isOurs = (document: vscode.TextDocument) => vscode.languages.match(EXPERIMENT_SELECTOR, document) > 0;
  const forget = (document: vscode.TextDocument) => {
    const key = document.uri.toString();
    clearTimeout(timers.get(key));
    timers.delete(key);
    found.delete(key);
    collection.delete(document.uri);
  };

  const checkAll = () => {
    for (const document of vscode.workspace.textDocuments) if (isOurs(document)) check(document);
  };
  checkAll();
  scope.own(modelsChanged.event(checkAll));
  scope.own(vscode.workspace.onDidOpenTextDocument((it) => isOurs(it) && check(it)));
  scope.own(vscode.workspace.onDidChangeTextDocument(({ document }) => isOurs(document) && checkSoon(document)));
  scope.own(vscode.workspace.onDidSaveTextDocument((it) => isOurs(it) && check(it)));
  scope.own(vscode.workspace.onDidCloseTextDocument(forget));
  scope.own(() => {
    for (const timer of timers.values()) clearTimeout(timer);
  });

  scope.own(
    vscode.languages.registerCodeActionsProvider(
      EXPERIMENT_SELECTOR,
      {
        provideCodeActions(document, range) {
          // Problems are found anew: a fix must fit the text as it stands now.
          const problems = problemsOf(document);
          const fixes = problems
            .filter(
              (it): it is ProblemData & { fix: Fix } =>
                it.fix !== undefined && rangeOf(it).intersection(range) !== undefined,
            )
            .map((problem) => {
              const action = new vscode.CodeAction(problem.fix.title, vscode.CodeActionKind.QuickFix);
              action.edit = editOf(document, problem);
              action.isPreferred = true;
              action.diagnostics = (found.get(document.uri.toString()) ?? [])
                .filter((it) => it.problem.code === problem.code && it.diagnostic.range.isEqual(rangeOf(problem)))
                .map((it) => it.diagnostic);
              return action;
            });
          return [...fixes, ...downloads(document, problems, range)];
        },
      },
      { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
    ),
  );
  return scope;
}
