import uPlot from 'uplot';
import type { ChartData, ChartOptions } from './chartData';
import { chartTable } from './chartTable';
import { element, svgElement } from './element';
import { t } from './text';
import { readTheme, type Theme } from './theme';

export interface Chart {
  element: HTMLElement;
  update(data: ChartData): void;
  /** Draws again in the colours of the theme. */
  restyle(): void;
}

// Colour is never the only difference between lines.
const DASHES: number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2]];
const HEIGHT = 210;
const SPEAK_EVERY = 10_000;

/** Points with their intervals. Lines share their x, so each is shifted a little: points and whiskers never hide each other. */
function whiskers(plot: uPlot, data: ChartData, theme: Theme, hidden: ReadonlySet<string>): void {
  const { ctx } = plot;
  const pixel = devicePixelRatio;
  ctx.save();
  ctx.setLineDash([]);
  data.lines.forEach((line, index) => {
    if (!line.low || !line.high || hidden.has(line.label)) return;
    const shift = (index - (data.lines.length - 1) / 2) * 5 * pixel;
    ctx.strokeStyle = theme.series[index % theme.series.length]!;
    ctx.fillStyle = theme.background;
    ctx.lineWidth = 1.5 * pixel;
    data.x.forEach((x, i) => {
      const [low, value, high] = [line.low?.[i], line.values[i], line.high?.[i]];
      if (low == null || high == null || value == null) return;
      const at = plot.valToPos(x, 'x', true) + shift;
      const [bottom, middle, top] = [low, value, high].map((it) => plot.valToPos(it, 'y', true)) as [
        number,
        number,
        number,
      ];
      ctx.beginPath();
      for (const end of [bottom, top]) {
        ctx.moveTo(at - 3 * pixel, end);
        ctx.lineTo(at + 3 * pixel, end);
      }
      ctx.moveTo(at, bottom);
      ctx.lineTo(at, top);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(at, middle, 3 * pixel, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    });
  });
  ctx.restore();
}

/** A line chart with a legend that shows the values under the cursor, arrow keys, zoom by dragging, and a table of the same numbers. */
export function chart(options: ChartOptions): Chart {
  let data: ChartData = { x: [], lines: [] };
  let plot: uPlot | undefined;
  let theme = readTheme();
  let table = options.table;
  let zoomed = false;
  let spokenAt = 0;
  let cursorAt: number | undefined;
  const hidden = new Set<string>();

  const place = element('div', { class: 'plot', tabindex: 0, role: 'img' });
  const legend = element('div', { class: 'legend', role: 'group', 'aria-label': t('Lines of "{0}"', options.title) });
  const twin = element('div', { class: 'twin', hidden: true });
  const empty = element('p', { class: 'empty' }, t('No numbers yet.'));
  const at = element('span', { class: 'at note', 'aria-hidden': true });
  const swap = element('button', { class: 'quiet', type: 'button' });
  const root = element(
    'figure',
    { class: 'chart', id: options.id },
    element('figcaption', {}, element('h3', {}, options.title), at, swap),
    options.note !== undefined && element('p', { class: 'note' }, options.note),
    legend,
    empty,
    place,
    twin,
  );

  function showCursor(index: number | undefined): void {
    cursorAt = index;
    for (const item of legend.children) {
      const line = data.lines.find((it) => it.label === (item as HTMLElement).dataset['line']);
      const value = line?.values[index ?? lastIndex(line.values)];
      const number = item.querySelector('.value');
      if (number) number.textContent = value == null ? '' : options.format(value);
    }
    at.textContent = index === undefined ? '' : `${options.x} ${data.x[index]}`;
  }

  function drawLegend(): void {
    legend.replaceChildren(
      ...data.lines.map((line, index) => {
        const stroke = theme.series[index % theme.series.length]!;
        const item = element(
          'button',
          { type: 'button', class: 'line', 'aria-pressed': String(!hidden.has(line.label)), 'data-line': line.label },
          svgElement(
            'svg',
            { width: 26, height: 8, 'aria-hidden': true },
            svgElement('line', {
              x1: 0,
              y1: 4,
              x2: 26,
              y2: 4,
              stroke,
              'stroke-width': 2,
              'stroke-dasharray': DASHES[index % DASHES.length]!.join(' ') || undefined,
            }),
          ),
          element('span', {}, line.label),
          element('span', { class: 'value' }),
        );
        item.addEventListener('click', () => {
          if (!hidden.delete(line.label)) hidden.add(line.label);
          build();
        });
        return item;
      }),
    );
    showCursor(cursorAt);
  }

  function build(): void {
    plot?.destroy();
    plot = undefined;
    drawLegend();
    if (table || data.x.length === 0 || place.clientWidth === 0) return;
    const axis: uPlot.Axis = {
      stroke: theme.muted,
      font: theme.font,
      grid: { stroke: theme.grid, width: 1 },
      ticks: { show: false },
    };
    plot = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT,
        padding: [8, 12, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (_, min, max) => (min === max ? [min - 0.5, max + 0.5] : [min, max]) },
          y: options.range ? { range: () => margins(options.range!) } : {},
        },
        axes: [
          { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000], space: 40, size: 26 },
          {
            ...axis,
            values: (_, ticks) => ticks.map((it) => (it === null ? '' : options.format(it))),
            size: 52,
            space: 34,
            ...(options.range ? { filter: inside(options.range) } : {}),
          },
        ],
        series: [
          {},
          ...data.lines.map((line, index) => ({
            label: line.label,
            show: !hidden.has(line.label),
            stroke: theme.series[index % theme.series.length]!,
            width: 1.75,
            dash: DASHES[index % DASHES.length]!,
            spanGaps: true,
            points: { show: data.x.length < 3 && line.low === undefined, size: 6 },
          })),
        ],
        hooks: {
          draw: [(it) => whiskers(it, data, theme, hidden)],
          setCursor: [(it) => showCursor(it.cursor.idx ?? undefined)],
          setSelect: [(it) => (zoomed = zoomed || it.select.width > 0)],
        },
      },
      [data.x, ...data.lines.map((line) => line.values)],
      place,
    );
  }

  function show(): void {
    swap.textContent = table ? t('Show as chart') : t('Show as table');
    empty.hidden = data.x.length > 0;
    legend.hidden = swap.hidden = data.x.length === 0;
    place.hidden = table || data.x.length === 0;
    twin.hidden = !table || data.x.length === 0;
    if (table) twin.replaceChildren(chartTable(options, data));
  }

  function speak(): void {
    if (Date.now() - spokenAt < SPEAK_EVERY && place.hasAttribute('aria-label')) return;
    spokenAt = Date.now();
    place.setAttribute('aria-label', `${options.title}. ${options.sentence(data)} ${t('Arrow keys move the cursor.')}`);
  }

  swap.addEventListener('click', () => {
    table = !table;
    options.onTable(table);
    show();
    build();
  });
  place.addEventListener('dblclick', () => {
    zoomed = false;
  });
  place.addEventListener('keydown', (event) => {
    const last = data.x.length - 1;
    const from = cursorAt ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (to === undefined || !plot) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, to));
    plot.setCursor({ left: plot.valToPos(data.x[index]!, 'x'), top: HEIGHT / 2 });
    showCursor(index);
  });
  new ResizeObserver(() => {
    const width = place.clientWidth;
    if (width === 0) return;
    if (!plot) build();
    else if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
  }).observe(place);
  show();

  return {
    element: root,
    update(next) {
      const sameLines = next.lines.map((it) => it.label).join() === data.lines.map((it) => it.label).join();
      const samePoints = data.x.length > 2;
      data = next;
      show();
      speak();
      if (!plot || !sameLines || !samePoints) build();
      else {
        plot.setData([data.x, ...data.lines.map((line) => line.values)], !zoomed);
        if (zoomed) plot.redraw();
        showCursor(cursorAt);
      }
    },
    restyle() {
      theme = readTheme();
      build();
    },
  };
}

/** A fixed range with room for the markers at its ends. */
const margins = ([low, high]: [number, number]): [number, number] => [
  low - 0.04 * (high - low),
  high + 0.04 * (high - low),
];
const inside =
  ([low, high]: [number, number]) =>
  (_: uPlot, ticks: number[]): (number | null)[] =>
    ticks.map((it) => (it >= low && it <= high ? it : null));

function lastIndex(values: readonly (number | null)[]): number {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] != null) return i;
  return 0;
}

/** A chart's line of text from the first and last value of each line, e.g. 'Over 40 steps: total from 2.1 to 0.4.' */
export function firstToLast(data: ChartData, format: (value: number) => string, what: string): string {
  if (data.x.length === 0) return t('No numbers yet.');
  const parts = data.lines.flatMap((line) => {
    const known = line.values.filter((value): value is number => value !== null);
    const [first, last] = [known[0], known.at(-1)];
    return first === undefined || last === undefined
      ? []
      : [t('{0} from {1} to {2}', line.label, format(first), format(last))];
  });
  return `${t('{0} {1} to {2}', what, data.x[0]!, data.x.at(-1)!)}: ${parts.join(', ')}.`;
}
