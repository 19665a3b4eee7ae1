import type { SampleText } from '../src/protocol/panels';
import type { RunView, SampleView } from '../src/records/runView';
import { element } from './element';
import { remember, send, state } from './link';
import { isGood, metricLabel, outputVerdict } from './metrics';
import { isChanged, pairSamples, type SamplePair } from './pairSamples';
import { t } from './text';
import { button, checkbox, dropdown } from './ui';

const PAGE = 20;

/** The attack at its largest radius, where there is one: the outputs people want to see first. */
function hardest(metrics: readonly string[]): string {
  const radius = (it: string) => Number(it.split('@')[1] ?? -1);
  return [...metrics].sort((a, b) => radius(b) - radius(a))[0] ?? '';
}

/** Sample outputs before and after. Nothing of their texts is in the page, nor sent to it, until the reader asks. */
export function samples(): { element: HTMLElement; update(view: RunView): void; texts(texts: SampleText[]): void } {
  const known = new Map<string, SampleText>();
  const asked = new Set<string>();
  let revealed = state().revealed ?? false;
  let metric = state().metric;
  let onlyChanged = state().onlyChanged ?? false;
  let limit = PAGE;
  let view: RunView | undefined;
  let drawnFrom: readonly SampleView[] | undefined;
  let drawnMetrics = '';

  const controls = element('div', { class: 'controls' });
  const list = element('div', {});
  const root = element(
    'section',
    { 'aria-label': t('Sample outputs') },
    element('h2', {}, t('Sample outputs')),
    controls,
    list,
  );

  function notice(count: number): HTMLElement {
    return element(
      'div',
      { class: 'notice' },
      element('p', {}, element('strong', {}, t('These texts may be offensive or harmful.'))),
      element(
        'p',
        {},
        t(
          'They are what the model said when it was attacked: {0} outputs. They stay on this machine and are shown as plain text. Until you agree they are not even loaded into this panel.',
          count,
        ),
      ),
      button(
        t('Show the texts'),
        () => {
          revealed = true;
          remember({ revealed });
          draw();
        },
        'primary',
      ),
    );
  }

  function drawControls(metrics: string[]): void {
    if (metrics.join() === drawnMetrics) return;
    drawnMetrics = metrics.join();
    const choices = metrics.map((value) => ({ value, text: metricLabel(value) }));
    controls.replaceChildren(
      dropdown(t('Measure'), choices, metric ?? '', (value) => {
        metric = value;
        limit = PAGE;
        remember({ metric });
        draw();
      }),
      checkbox(t('Only where the verdict changed'), onlyChanged, (value) => {
        onlyChanged = value;
        limit = PAGE;
        remember({ onlyChanged });
        draw();
      }),
    );
  }

  function output(sample: SampleView | undefined, title: string): HTMLElement {
    if (!sample)
      return element('div', { class: 'output none' }, element('h4', {}, title), element('p', {}, t('not yet')));
    const text = known.get(sample.text);
    return element(
      'div',
      { class: 'output' },
      element(
        'h4',
        {},
        title,
        element(
          'span',
          { class: isGood(sample.metric, sample.counted) ? 'verdict good' : 'verdict bad' },
          outputVerdict(sample.metric, sample.counted),
        ),
      ),
      text
        ? element('p', { class: 'said' }, text.output === '' ? t('(nothing)') : text.output)
        : element('p', {}, t('Loading the text ...')),
    );
  }

  function card(pair: SamplePair): HTMLElement {
    const ids = [pair.before?.text, pair.now?.text].filter((id) => id !== undefined);
    const prompt = ids.map((id) => known.get(id)).find((text) => text !== undefined);
    const now = pair.now?.phase === 'during' ? t('At step {0}', pair.now.step) : t('After');
    return element(
      'li',
      {},
      element(
        'p',
        { class: 'prompt' },
        element('span', { class: 'note' }, t('Prompt')),
        ' ',
        prompt?.prompt ?? pair.example,
      ),
      prompt?.target !== undefined &&
        element('p', { class: 'prompt' }, element('span', { class: 'note' }, t('Target')), ' ', prompt.target),
      element('div', { class: 'pair' }, output(pair.before, t('Before')), output(pair.now, now)),
    );
  }

  function draw(): void {
    const all = view?.samples ?? [];
    drawnFrom = all;
    const metrics = [...new Set(all.map((it) => it.metric))];
    if (metrics.length === 0) {
      controls.replaceChildren();
      drawnMetrics = '';
      list.replaceChildren(element('p', { class: 'empty' }, t('No outputs yet.')));
      return;
    }
    if (!revealed) {
      controls.replaceChildren();
      drawnMetrics = '';
      list.replaceChildren(notice(all.length));
      return;
    }
    if (metric === undefined || !metrics.includes(metric)) metric = hardest(metrics);
    drawControls(metrics);
    const pairs = pairSamples(all, metric).filter((pair) => !onlyChanged || isChanged(pair));
    const shown = pairs.slice(0, limit);
    const missing = shown
      .flatMap((pair) => [pair.before?.text, pair.now?.text])
      .filter((id): id is string => id !== undefined && !known.has(id) && !asked.has(id));
    for (const id of missing) asked.add(id);
    if (missing.length > 0) send({ t: 'reveal', ids: missing });
    list.replaceChildren(
      element('p', { class: 'note', role: 'status' }, t('{0} of {1} examples', shown.length, pairs.length)),
      element('ul', { class: 'samples' }, ...shown.map(card)),
    );
    if (pairs.length > limit)
      list.append(
        button(t('Show more'), () => {
          limit += PAGE;
          draw();
        }),
      );
  }

  return {
    element: root,
    update(next) {
      view = next;
      if (next.samples !== drawnFrom) draw();
    },
    texts(texts) {
      for (const text of texts) known.set(text.id, text);
      draw();
    },
  };
}
