import type { StepLosses } from '../src/records/record';
import type { RunView } from '../src/records/runView';
import { type Chart, chart, firstToLast } from './chart';
import type { ChartData, Line } from './chartData';
import { remember, state } from './link';
import { percent, short, t } from './text';

const LOSSES = ['total', 'toward', 'away', 'utility', 'ipo'] as const satisfies readonly (keyof StepLosses)[];

export function lossData(view: RunView): ChartData {
  const { history } = view;
  return {
    x: history.map((it) => it.step),
    lines: LOSSES.filter((key) => history.some((it) => it.losses[key] !== undefined)).map((key) => ({
      label: key,
      values: history.map((it) => it.losses[key] ?? null),
    })),
  };
}

export function attackLossData(view: RunView): ChartData {
  const attacked = view.history.filter((it) => it.attack !== undefined);
  return {
    x: attacked.map((it) => it.step),
    lines: [
      { label: t('before the attack'), values: attacked.map((it) => it.attack?.before ?? null) },
      { label: t('after the attack'), values: attacked.map((it) => it.attack?.after ?? null) },
    ],
  };
}

export function successData(view: RunView): ChartData {
  const x = [...new Set(view.attackSuccess.map((it) => it.step))].sort((a, b) => a - b);
  const byLabel = new Map<string, Line & { low: (number | null)[]; high: (number | null)[] }>();
  const several = new Set(view.attackSuccess.map((it) => it.attack)).size > 1;
  const blank = () => x.map(() => null);
  for (const { step, attack, epsilon, rate } of view.attackSuccess) {
    const label = several ? `${attack} ε ${epsilon}` : `ε ${epsilon}`;
    const line = byLabel.get(label) ?? { label, values: blank(), low: blank(), high: blank() };
    byLabel.set(label, line);
    const at = x.indexOf(step);
    line.values[at] = rate.value;
    line.low[at] = rate.low;
    line.high[at] = rate.high;
  }
  return {
    x,
    lines: [...byLabel.values()].sort((a, b) => a.label.localeCompare(b.label, undefined, { numeric: true })),
  };
}

interface Shown {
  chart: Chart;
  read: (view: RunView) => ChartData;
  /** What the chart depends on: it is left alone while this stays the same. */
  source: (view: RunView) => unknown;
  drawn?: unknown;
}

/** The monitor's charts. */
export function charts(): { elements: HTMLElement[]; update(view: RunView): void; restyle(): void } {
  const tables = new Set(state().tables ?? []);
  // A screen reader gets the numbers first.
  if (document.body.classList.contains('vscode-using-screen-reader'))
    for (const id of ['losses', 'attackLoss', 'success']) tables.add(id);
  const make = (
    id: string,
    title: string,
    note: string,
    format: (value: number) => string,
    range?: [number, number],
  ): Chart =>
    chart({
      id,
      title,
      note,
      x: t('step'),
      format,
      range,
      table: tables.has(id),
      sentence: (data) => firstToLast(data, format, t('Step')),
      onTable: (shown) => {
        if (shown) tables.add(id);
        else tables.delete(id);
        remember({ tables: [...tables] });
      },
    });
  const shown: Shown[] = [
    {
      chart: make('losses', t('Losses'), t('Token means in nats, per optimizer step.'), short),
      read: lossData,
      source: (view) => view.history,
    },
    {
      chart: make(
        'attackLoss',
        t('The attack in training'),
        t('Loss of the harmful targets, in nats; the attack pulls it down.'),
        short,
      ),
      read: attackLossData,
      source: (view) => view.history,
    },
    {
      chart: make(
        'success',
        t('Attack success'),
        t('Bars are 95 % intervals; step 0 is before training.'),
        percent,
        [0, 1],
      ),
      read: successData,
      source: (view) => view.attackSuccess,
    },
  ];
  return {
    elements: shown.map((it) => it.chart.element),
    update(view) {
      for (const it of shown) {
        const source = it.source(view);
        if (source === it.drawn) continue;
        it.drawn = source;
        it.chart.update(it.read(view));
      }
    },
    restyle() {
      for (const it of shown) it.chart.restyle();
    },
  };
}
