import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRun, verdict } from '../../src/records/compare';
import { emptyView, foldAll } from '../../src/records/fold';
import { reportMarkdown } from '../../src/records/report';
import { reportHtml } from '../../src/records/reportHtml';
import { summarize } from '../../src/records/summary';
import { ratesTable } from '../../src/records/table';
import * as made from './madeRecords';

const view = foldAll(emptyView, made.wholeRun());

test('comparisons pair the same examples before and after', () => {
  const [attack, leak] = compareRun(view);
  assert.equal(attack?.metric, 'embedding@0.3');
  const { p = 0, ...counts } = attack?.paired ?? {};
  assert.deepEqual(counts, { n: 10, gained: 0, lost: 7 });
  assert.ok(Math.abs(p - 2 / 128) < 1e-12);
  assert.equal(attack && verdict(attack), 'lower, which is better (7 of 10 examples changed, p = 0.016)');
  assert.equal(leak?.paired, undefined);
  assert.equal(leak && verdict(leak), 'no difference shown (the intervals overlap)');
});

test('a difference that chance explains is not claimed', () => {
  const few = foldAll(view, [
    made.sample('after', 10, 2, true, 'embedding@0.3'),
    made.sample('after', 10, 3, true, 'embedding@0.3'),
    made.sample('after', 10, 4, true, 'embedding@0.3'),
  ]);
  const [attack] = compareRun(few);
  assert.match(attack ? verdict(attack) : '', /^no difference shown \(4 of 10 examples changed, p = 0\.125\)$/);
});

test('a rise where lower is better is called worse, and what was not measured is said', () => {
  const rates = { value: 0.1, n: 100, low: 0.05, high: 0.15 };
  const high = { value: 0.9, n: 100, low: 0.85, high: 0.95 };
  const base = { metric: 'leak', label: 'leak', better: 'lower' } as const;
  assert.match(verdict({ ...base, before: rates, after: high }), /^higher, which is worse/);
  assert.equal(verdict({ ...base, after: high }), 'not measured before training');
  assert.equal(verdict({ ...base, before: high }), 'not measured after training');
});

test('the table for the terminal has each metric with its interval and n', () => {
  const text = ratesTable(view);
  const rows = text.split('\n');
  assert.equal(rows.length, 3);
  assert.match(rows[0] ?? '', /^ +before +n +after +n +difference$/);
  assert.match(
    rows[1] ?? '',
    /^attack success, embedding at epsilon 0\.3 +0\.800 \[0\.600, 1\.000\] +10 +0\.100 \[0\.000, 0\.300\] +10 +lower/,
  );
  assert.match(rows[2] ?? '', /^leaks with no attack +0\.100 \[0\.000, 0\.200\] +20 /);
  assert.doesNotMatch(ratesTable(view, { verdicts: false }), /better/);
  assert.equal(ratesTable(emptyView), 'Nothing has been measured.');
});

test('the summary has what summary.json promises', () => {
  const summary = summarize(view);
  assert.equal(summarize(emptyView), undefined);
  assert.equal(summary?.before.attackSuccess['embedding']?.['0.3']?.value, 0.8);
  assert.equal(summary?.after.leak?.n, 20);
  assert.equal(summary?.hashes.adapter, 'f'.repeat(64));
  assert.equal(summary?.seconds, 93);
  assert.equal(summary?.seed, 7);
  assert.deepEqual(JSON.parse(JSON.stringify(summary)), summary);
});

test('report.md holds table, curve, losses, facts and settings', () => {
  const text = reportMarkdown(view, {
    attack: { epsilon: 0.3 },
    method: { name: 'cat' },
    hashes: { a: 'b' },
    list: [1, 2],
  });
  for (const part of [
    /# first: cat/,
    /This run finished after 10 of 10 steps/,
    /\| leaks with no attack \|/,
    /\| 5 \| embedding \|/,
    /\| total \|/,
    /attack\.epsilon \| 0\.3/,
    /list \| 1, 2/,
    /1 min 33 s/,
  ])
    assert.match(text, part);
  assert.doesNotMatch(text, /hashes\.a/);
});

test('reports of runs that only began, stopped or failed say so', () => {
  assert.match(reportMarkdown(emptyView), /has not started/);
  assert.match(reportHtml(emptyView), /has not started/);
  const failed = foldAll(emptyView, [
    made.started(),
    made.step(1),
    made.problem('failed', 'Out of memory: lower training.rows.'),
  ]);
  assert.match(reportMarkdown(failed), /failed after 1 of 10 steps[\s\S]*Out of memory/);
  assert.match(reportHtml(failed), /error: Out of memory/);
  assert.match(reportHtml(failed), /Nothing has been measured/);
});

test('report.html needs no script, loads nothing and shows hostile names as text', () => {
  const evil = `"><img src=x onerror=alert(1)><script>alert(2)</script>'`;
  const records = made
    .wholeRun()
    .map((it) => (it.kind === 'started' ? { ...it, experiment: evil, model: evil, device: evil } : it));
  const hostile = foldAll(emptyView, [
    ...records,
    made.problem('problem', evil),
    { ...made.attack('after', 10, 0.5), attack: evil } as never,
  ]);
  const html = reportHtml(hostile, { [evil]: evil });
  assert.doesNotMatch(html, /<(script|img|link|iframe)|@import|url\(/i);
  assert.ok(!html.includes(evil));
  assert.match(html, /default-src 'none'/);
  assert.doesNotMatch(reportMarkdown(hostile, { [evil]: evil }), /[^\\]<(img|script)/);
});

test('report.html draws the three curves with intervals and both colour schemes', () => {
  const html = reportHtml(view);
  assert.equal(html.match(/<figure>/g)?.length, 3);
  for (const part of [
    /Losses over training/,
    /before and after each attack/,
    /Attack success over training/,
    /prefers-color-scheme: dark/,
    /class="line c0" x1="\d/,
  ])
    assert.match(html, part);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});

test('no prompt and no output is in a report', () => {
  for (const text of [reportMarkdown(view), reportHtml(view)]) assert.doesNotMatch(text, /after-10-embedding/);
});
