import { type Comparison, compareRun } from '../src/records/compare';
import type { Rate } from '../src/records/record';
import type { RunView } from '../src/records/runView';
import { element, svgElement } from './element';
import { change, metricLabel } from './metrics';
import { percent, t } from './text';

const WIDTH = 180;
const PAD = 6;

/** Both intervals on one axis from 0 to 100 %: before hollow and above, after filled and below. The numbers stand beside it. */
function intervals(row: Comparison): SVGSVGElement {
  const x = (value: number) => PAD + value * (WIDTH - 2 * PAD);
  const one = (rate: Rate | undefined, y: number, kind: 'before' | 'after') =>
    rate
      ? [
          svgElement('line', { class: kind, x1: x(rate.low), x2: x(rate.high), y1: y, y2: y, 'stroke-width': 2 }),
          svgElement('circle', { class: kind, cx: x(rate.value), cy: y, r: 4, 'stroke-width': 1.75 }),
        ]
      : [];
  return svgElement(
    'svg',
    { class: 'intervals', viewBox: `0 0 ${WIDTH} 24`, width: WIDTH, height: 24, 'aria-hidden': true },
    ...[0, 0.5, 1].map((at) => svgElement('line', { class: 'tick', x1: x(at), x2: x(at), y1: 0, y2: 24 })),
    ...one(row.before, 7, 'before'),
    ...one(row.after, 17, 'after'),
  );
}

function rateCell(rate: Rate | undefined): HTMLElement {
  if (!rate) return element('td', { class: 'none' }, t('not yet'));
  if (rate.n === 0) return element('td', { class: 'none' }, t('no examples'));
  return element(
    'td',
    {},
    element('strong', {}, percent(rate.value)),
    element('span', { class: 'interval' }, `${percent(rate.low)} – ${percent(rate.high)}`),
    element('span', { class: 'interval' }, `n ${rate.n}`),
  );
}

/** The before / after table: every rate with its n and its 95 % interval. */
export function comparison(view: RunView): HTMLElement {
  const rows = compareRun(view);
  if (rows.length === 0)
    return element('p', { class: 'empty' }, t('Nothing is measured yet. The rates before training come first.'));
  const head = [t('Measure'), t('Before'), t('After'), t('○ before, ● after'), t('Change')];
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('Before and after') },
    element(
      'table',
      { class: 'rates' },
      element('thead', {}, element('tr', {}, ...head.map((it) => element('th', { scope: 'col' }, it)))),
      element(
        'tbody',
        {},
        ...rows.map((row) => {
          const { text, why, good } = change(row);
          return element(
            'tr',
            {},
            element(
              'th',
              { scope: 'row' },
              metricLabel(row.metric),
              element(
                'span',
                { class: 'better' },
                row.better === 'lower' ? t('lower is better') : t('higher is better'),
              ),
            ),
            rateCell(row.before),
            rateCell(row.after),
            element('td', { class: 'graph' }, intervals(row)),
            element(
              'td',
              {},
              element('span', { class: good === undefined ? 'same' : good ? 'good' : 'bad' }, text),
              element('span', { class: 'interval why' }, why),
            ),
          );
        }),
      ),
    ),
  );
}
