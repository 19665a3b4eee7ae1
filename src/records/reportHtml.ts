import { compareRun, verdict } from './compare';
import type { StepLosses } from './record';
import { HOW_TO_READ, runFacts, settingRows, statusText } from './runFacts';
import type { RunConfig } from './runFolder';
import type { RunView } from './runView';
import { escapeHtml, type Line, svgChart } from './svgChart';
import { COMPARISON_HEAD, comparisonRows } from './table';

// Colours with at least 3:1 against their background; lines also differ by their dashes.
const LIGHT = `--ink: #1f2328; --soft: #59636e; --edge: #d1d9e0; --back: #ffffff;
  --c0: #0550ae; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #a40e26; --c5: #4d5560;`;
const DARK = `--ink: #e6edf3; --soft: #9198a1; --edge: #3d444d; --back: #0d1117;
  --c0: #79c0ff; --c1: #ffa657; --c2: #7ee787; --c3: #d2a8ff; --c4: #ff7b72; --c5: #b1bac4;`;

// In a browser the page follows the system's scheme, in VS Code the theme, whose kind is a class of the body and whose ground is a variable.
const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
body.vscode-light, body.vscode-high-contrast-light { ${LIGHT} --back: var(--vscode-editor-background); }
body.vscode-dark, body.vscode-high-contrast:not(.vscode-high-contrast-light) { ${DARK} --back: var(--vscode-editor-background); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p.status, p.note, figcaption { color: var(--soft); } figure { margin: 1.5rem 0; } figcaption { margin-bottom: .25rem; font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } td.number { text-align: right; white-space: nowrap; } thead th { color: var(--soft); }
svg { max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--edge); } .line { fill: none; stroke-width: 1.75; } .legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; font-size: .9rem; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
.dot { fill: var(--back); stroke-width: 1.75; } li.error { color: var(--c4); } summary { cursor: pointer; }
@media print { details { display: none; } }
`;

function table(head: readonly string[], rows: readonly (readonly string[])[], numbers: readonly number[] = []): string {
  const cells = (row: readonly string[]): string =>
    row
      .map((text, i) =>
        i === 0
          ? `<th scope="row">${escapeHtml(text)}</th>`
          : `<td${numbers.includes(i) ? ' class="number"' : ''}>${escapeHtml(text)}</td>`,
      )
      .join('');
  const top = head.some(Boolean)
    ? `<thead><tr>${head.map((it) => `<th scope="col">${escapeHtml(it)}</th>`).join('')}</tr></thead>`
    : '';
  return `<div class="scroll"><table>${top}<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}</tbody></table></div>`;
}

const LOSS_LINES: readonly (keyof StepLosses)[] = ['total', 'toward', 'away', 'utility', 'ipo', 'margin'];

function lossLines(view: RunView): Line[] {
  return LOSS_LINES.map((name) => ({
    label: name,
    points: view.history.flatMap((it) => {
      const y = it.losses[name];
      return y === undefined ? [] : [{ x: it.step, y }];
    }),
  }));
}

function attackLossLines(view: RunView): Line[] {
  const line = (label: string, key: 'before' | 'after'): Line => ({
    label,
    points: view.history.flatMap((it) => (it.attack ? [{ x: it.step, y: it.attack[key] }] : [])),
  });
  return [line('before the attack', 'before'), line('after the attack', 'after')];
}

function successLines(view: RunView): Line[] {
  const lines = new Map<string, { x: number; y: number; low: number; high: number }[]>();
  for (const { step, attack, epsilon, rate } of view.attackSuccess) {
    const label = `${attack}, epsilon ${epsilon}`;
    const points = lines.get(label) ?? [];
    points.push({ x: step, y: rate.value, low: rate.low, high: rate.high });
    lines.set(label, points);
  }
  return [...lines].slice(0, 6).map(([label, points]) => ({ label, points: points.sort((a, b) => a.x - b.x) }));
}

/** The sentences of the paired tests, one per metric that was measured twice. */
function sentences(view: RunView): string {
  const said = compareRun(view)
    .filter((it) => it.before && it.after)
    .map((it) => `<li>${escapeHtml(`${it.label}: ${verdict(it)}.`)}</li>`);
  return said.length > 0 ? `<ul>${said.join('\n')}</ul>` : '';
}

/**
 * report.html of a run, in whatever state: one file, no script, nothing loaded from elsewhere (its policy forbids both). Holds numbers and settings
 * only: no prompt, no output. All that comes out of the run is escaped.
 */
export function reportHtml(view: RunView, config?: RunConfig): string {
  const { started, problems } = view;
  const title = `${started?.experiment ?? 'Run'}: ${started?.method ?? 'not started'}`;
  const comparisons = comparisonRows(compareRun(view)).map((row) => row.slice(0, 5));
  const charts = [
    svgChart({ title: 'Losses over training', x: 'optimizer step', y: 'nats per token', lines: lossLines(view) }),
    svgChart({
      title: "The attack's loss before and after each attack",
      x: 'optimizer step',
      y: 'nats per token',
      lines: attackLossLines(view),
    }),
    svgChart({
      title: 'Attack success over training, with 95 % intervals',
      x: 'optimizer step',
      y: 'share of examples',
      lines: successLines(view),
      yBounds: [0, 1],
    }),
  ].filter(Boolean);
  const settings = settingRows(config);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeHtml(title)}</h1><p class="status">${escapeHtml(statusText(view))}</p>`,
    '<h2>Before and after</h2>',
    comparisons.length > 0
      ? `${table(COMPARISON_HEAD.slice(0, 5), comparisons, [2, 4])}${sentences(view)}<p class="note">${escapeHtml(HOW_TO_READ)}</p>`
      : '<p>Nothing has been measured.</p>',
    charts.length > 0 ? `<h2>Curves</h2>${charts.join('\n')}` : '',
    problems.length > 0
      ? `<h2>Problems</h2><ul>${problems.map((it) => `<li class="${it.severity === 'error' ? 'error' : 'warning'}">${escapeHtml(`${it.severity}: ${it.message}`)}</li>`).join('')}</ul>`
      : '',
    `<h2>Run</h2>${table(['', ''], runFacts(view))}`,
    settings.length > 0
      ? `<details><summary>Settings (${settings.length})</summary>${table(['setting', 'value'], settings)}</details>`
      : '',
    '</body></html>',
    '',
  ]
    .filter(Boolean)
    .join('\n');
}
