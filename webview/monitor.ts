import 'uplot/dist/uPlot.min.css';
import './monitor.css';
import type { RunContext } from '../src/protocol/panels';
import type { StepProgress } from '../src/protocol/worker';
import { foldAll } from '../src/records/fold';
import type { RunView } from '../src/records/runView';
import { charts } from './charts';
import { comparison } from './comparison';
import { configuration } from './configuration';
import { element } from './element';
import { header, shownStatus } from './header';
import { onMessage, remember, send } from './link';
import { samples } from './samples';
import { readTranslations, t } from './text';
import { onThemeChange } from './theme';

// A monitor shows one run. The host sends the whole view once, then records as they come; this page folds them with the same reducer as
// everybody else, and draws a few times a second however many come.

const [SPEAK_EVERY, DRAW_EVERY] = [10_000, 200];

function start(root: HTMLElement): void {
  let view: RunView | undefined;
  let context: RunContext | undefined;
  let progress: StepProgress | undefined;
  let drawn: Partial<{ rates: RunView['rates']; samples: RunView['samples']; context: RunContext }> = {};
  let due = false;
  let [spokenAt, drawnAt] = [0, 0];

  const top = header();
  const rates = element('section', { 'aria-label': t('Before and after') });
  const curves = charts();
  const outputs = samples();
  const settings = element('div', {});
  const live = element('p', { class: 'hidden', role: 'status' });
  root.replaceChildren(
    live,
    top.element,
    rates,
    element('section', { class: 'charts', 'aria-label': t('Curves') }, ...curves.elements),
    outputs.element,
    settings,
  );

  function speak(text: string): void {
    if (Date.now() - spokenAt < SPEAK_EVERY || live.textContent === text) return;
    spokenAt = Date.now();
    live.textContent = text;
  }

  function draw(): void {
    due = false;
    drawnAt = performance.now();
    if (!view || !context) return;
    top.update(view, context, progress);
    if (drawn.rates !== view.rates || drawn.samples !== view.samples)
      rates.replaceChildren(
        element('h2', {}, t('Before and after')),
        element(
          'p',
          { class: 'note' },
          t(
            'Rates with their 95 % Wilson intervals; n examples were judged. A change counts as shown when the exact McNemar test gives p < 0.05.',
          ),
        ),
        comparison(view),
      );
    if (drawn.context !== context) settings.replaceChildren(configuration(context));
    drawn = { rates: view.rates, samples: view.samples, context };
    curves.update(view);
    outputs.update(view);
    speak(t('{0}, step {1} of {2}', shownStatus(view, context), view.step, view.steps));
  }

  function schedule(): void {
    if (due) return;
    due = true;
    setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawnAt + DRAW_EVERY - performance.now()));
  }

  onThemeChange(() => curves.restyle());
  onMessage((message) => {
    switch (message.t) {
      case 'view':
        ({ view, context } = message);
        remember({ folder: context.folder });
        return schedule();
      case 'records':
        if (view) view = foldAll(view, message.records);
        return schedule();
      case 'context':
        context = message.context;
        return schedule();
      case 'progress':
        ({ progress } = message);
        return schedule();
      case 'texts':
        return outputs.texts(message.texts);
      case 'notFound':
        root.replaceChildren(
          element('p', { class: 'empty' }, t('There is no run in {0} any more. Close this panel.', message.folder)),
        );
        return;
      default:
        message satisfies never;
    }
  });
  send({ t: 'ready' });
}

readTranslations();
const main = document.getElementById('monitor');
if (main) start(main);
