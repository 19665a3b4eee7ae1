import type { ChartData, ChartOptions } from './chartData';
import { element } from './element';
import { t } from './text';

const ROWS = 500;

/** The same numbers as the chart, newest first, as a real table. */
export function chartTable(options: Pick<ChartOptions, 'title' | 'x' | 'format'>, data: ChartData): HTMLElement {
  const indices = data.x.map((_, index) => index).reverse();
  const cell = (index: number, line: ChartData['lines'][number]): string => {
    const value = line.values[index];
    if (value == null) return '';
    const [low, high] = [line.low?.[index], line.high?.[index]];
    return low == null || high == null
      ? options.format(value)
      : `${options.format(value)} (${options.format(low)} – ${options.format(high)})`;
  };
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': options.title },
    element(
      'table',
      { class: 'numbers' },
      element(
        'caption',
        { class: 'hidden' },
        indices.length > ROWS ? t('{0}: the last {1} of {2} rows', options.title, ROWS, indices.length) : options.title,
      ),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          element('th', { scope: 'col' }, options.x),
          ...data.lines.map((line) => element('th', { scope: 'col' }, line.label)),
        ),
      ),
      element(
        'tbody',
        {},
        ...indices
          .slice(0, ROWS)
          .map((index) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row' }, data.x[index]),
              ...data.lines.map((line) => element('td', {}, cell(index, line))),
            ),
          ),
      ),
    ),
  );
}
