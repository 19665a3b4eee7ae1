import type { ConfigRow, RunContext } from '../src/protocol/panels';
import { element } from './element';
import { send } from './link';
import { t } from './text';
import { link } from './ui';

function rowOf(row: ConfigRow, file: string | undefined): HTMLElement {
  const name = row.at.length > 1 ? row.at.slice(1).join('.') : String(row.at[0]);
  const where =
    row.line !== undefined && file !== undefined
      ? link(t('line {0}', row.line), t('{0}: open line {1} of {2}', row.at.join('.'), row.line, file), () =>
          send({ t: 'open', at: row.at }),
        )
      : element('span', { class: 'note' }, t('default'));
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, name),
    element('td', { class: 'value' }, row.value),
    element('td', {}, where),
  );
}

function group(title: string, rows: readonly ConfigRow[], file: string | undefined): HTMLElement {
  return element(
    'div',
    { class: 'group' },
    element('h3', {}, title),
    element('table', {}, element('tbody', {}, ...rows.map((row) => rowOf(row, file)))),
  );
}

/** Every setting of the run, with defaults, each linked to its line of the experiment file. */
export function configuration(context: RunContext): HTMLElement {
  const groups = new Map<string, ConfigRow[]>();
  for (const row of context.config) {
    const name = row.at.length > 1 ? String(row.at[0]) : '';
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return element(
    'section',
    { 'aria-label': t('Configuration') },
    element('h2', {}, t('Configuration')),
    element(
      'p',
      { class: 'note' },
      context.file === undefined
        ? t('As the run resolved it; the experiment file is gone.')
        : t('As the run resolved it from {0}.', context.file),
    ),
    groups.size === 0
      ? element('p', { class: 'empty' }, t('No configuration yet.'))
      : element(
          'div',
          { class: 'groups' },
          ...[...groups].map(([name, rows]) => group(name || t('experiment'), rows, context.file)),
        ),
  );
}
