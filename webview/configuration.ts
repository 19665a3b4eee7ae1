import type { ConfigRow, RunContext } from '../src/protocol/panels';
import { element } from './element';
import { remember, send, state } from './link';
import { t } from './text';
import { checkbox, link } from './ui';

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

function groups(context: RunContext, defaults: boolean): HTMLElement[] {
  const byName = new Map<string, ConfigRow[]>();
  for (const row of context.config) {
    if (!defaults && context.file !== undefined && row.line === undefined) continue;
    const name = row.at.length > 1 ? String(row.at[0]) : '';
    byName.set(name, [...(byName.get(name) ?? []), row]);
  }
  return [...byName].map(([name, rows]) => group(name || t('experiment'), rows, context.file));
}

/** The settings of the run, each linked to its line of the experiment file; defaults on request. */
export function configuration(context: RunContext): HTMLElement {
  const list = element('div', { class: 'groups' });
  const draw = (defaults: boolean) => list.replaceChildren(...groups(context, defaults));
  draw(state().defaults ?? false);
  const about =
    context.config.length === 0
      ? t('No configuration yet.')
      : context.file === undefined
        ? t('As the run resolved it; the experiment file is gone.')
        : t('As the run resolved it from {0}.', context.file);
  return element(
    'section',
    { 'aria-label': t('Configuration') },
    element('h2', {}, t('Configuration')),
    element('p', { class: 'note' }, about),
    context.file !== undefined &&
      context.config.length > 0 &&
      element(
        'div',
        { class: 'controls' },
        checkbox(t('Show defaults too'), state().defaults ?? false, (defaults) => {
          remember({ defaults });
          draw(defaults);
        }),
      ),
    list,
  );
}
