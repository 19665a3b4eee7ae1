import type { RunContext } from '../src/protocol/panels';
import type { StepProgress } from '../src/protocol/worker';
import type { RunStatus, RunView } from '../src/records/runView';
import { type Child, element, svgElement } from './element';
import { send } from './link';
import { metricLabel } from './metrics';
import { duration, t } from './text';
import { button } from './ui';

/** A status as a reader sees it: a run whose records say "running" but which nobody writes was interrupted. */
export type ShownStatus = RunStatus | 'interrupted';

export function shownStatus(view: RunView, context: RunContext): ShownStatus {
  return view.status === 'running' && !context.live ? 'interrupted' : view.status;
}

function statusText(status: ShownStatus): string {
  const texts: { [K in ShownStatus]: string } = {
    waiting: t('Waiting'),
    running: t('Running'),
    stopped: t('Stopped'),
    interrupted: t('Interrupted'),
    failed: t('Failed'),
    finished: t('Finished'),
  };
  return texts[status];
}

// One shape per status, so that nothing hangs on colour.
const SHAPES: { [K in ShownStatus]: string } = {
  waiting: 'M3 8h2M7 8h2M11 8h2',
  running: 'M5 3l8 5-8 5z',
  stopped: 'M4 4h8v8H4z',
  interrupted: 'M5 3v10M11 3v10',
  failed: 'M4 4l8 8M12 4l-8 8',
  finished: 'M3 8.5l3.5 3.5L13 5',
};

function secondsLeft(view: RunView): number | undefined {
  return view.secondsPerStep === undefined ? undefined : (view.steps - view.step) * view.secondsPerStep;
}

/** From so many seconds per step on, what goes on within one is worth a word. */
const LONG = 2;

/** Where in a long step the training is. */
function within(view: RunView, progress: StepProgress | undefined): string | undefined {
  if (!progress || progress.step !== view.step + 1 || (view.secondsPerStep ?? LONG) < LONG) return undefined;
  const { micro, micros, attack } = progress;
  const parts = [
    ...(micros > 1 ? [t('micro-batch {0} of {1}', micro, micros)] : []),
    ...(attack && attack.done < attack.of ? [t('attack iteration {0} of {1}', attack.done + 1, attack.of)] : []),
    ...(attack && attack.done === attack.of ? [t('gradients')] : []),
  ];
  return parts.length > 0 ? parts.join(', ') : undefined;
}

/** What is going on, in one sentence. */
function activity(view: RunView, status: ShownStatus, context: RunContext, progress?: StepProgress): string {
  if (status === 'waiting') return t('The worker loads the model; the first numbers follow.');
  if (status === 'stopped' && context.live)
    return t('Stopped after step {0}; the worker is ending or starting.', view.step);
  if (status === 'stopped') return t('Stopped after step {0}. Resume goes on from there.', view.step);
  if (status === 'interrupted')
    return t('The worker ended without a word after step {0}. Resume goes on from the last checkpoint.', view.step);
  if (status === 'failed') return t('The run failed after step {0}.', view.step);
  if (status === 'finished') return view.seconds === undefined ? t('Done.') : t('Done in {0}.', duration(view.seconds));
  const now = view.activity;
  if (now && now.phase !== 'training') {
    const measure = metricLabel(now.metric);
    return now.phase === 'before'
      ? t('Before training: {0}, {1} of {2}', measure, now.done, now.total)
      : now.phase === 'after'
        ? t('After training: {0}, {1} of {2}', measure, now.done, now.total)
        : t('During training: {0}, {1} of {2}', measure, now.done, now.total);
  }
  const left = secondsLeft(view);
  const training =
    left === undefined ? t('Training') : t('Training, about {0} left, then the evaluation', duration(left));
  const step = within(view, progress);
  return step === undefined ? training : t('{0}. In step {1}: {2}', training, view.step + 1, step);
}

function progressOf(
  view: RunView,
  status: ShownStatus,
  context: RunContext,
  progress: StepProgress | undefined,
): HTMLElement {
  const share = view.steps > 0 ? view.step / view.steps : 0;
  const bar = svgElement(
    'svg',
    { class: 'bar', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': true },
    svgElement('rect', { class: 'track', width: 100, height: 4 }),
    svgElement('rect', { class: 'done', width: 100 * share, height: 4 }),
  );
  return element(
    'div',
    { class: 'progress' },
    element(
      'div',
      {
        role: 'progressbar',
        'aria-label': t('Optimizer steps'),
        'aria-valuemin': 0,
        'aria-valuemax': view.steps,
        'aria-valuenow': view.step,
      },
      bar,
    ),
    element(
      'p',
      {},
      element('strong', {}, view.steps > 0 ? t('Step {0} of {1}', view.step, view.steps) : t('Step {0}', view.step)),
      ' ',
      element('span', { class: 'activity' }, activity(view, status, context, progress)),
    ),
  );
}

function fact(name: string, value: Child): HTMLElement[] {
  if (value === undefined || value === '') return [];
  return [element('div', {}, element('dt', {}, name), element('dd', {}, value))];
}

function problemText(problem: RunView['problems'][number]): HTMLElement {
  return element(
    'li',
    { class: problem.severity },
    element('strong', {}, problem.severity === 'error' ? t('Problem') : t('Warning')),
    ' ',
    problem.message,
    problem.at?.length ? element('span', { class: 'note' }, ` (${problem.at.join('.')})`) : undefined,
  );
}

interface Action {
  text: string;
  run(): void;
  primary?: boolean;
}

function actionsOf(status: ShownStatus, { live, trusted }: RunContext): Action[] {
  return [
    ...(live && trusted && (status === 'running' || status === 'waiting')
      ? [{ text: t('Stop'), run: () => send({ t: 'stop' }) }]
      : []),
    ...(!live && trusted && status !== 'finished'
      ? [{ text: t('Resume'), run: () => send({ t: 'resume' }), primary: true }]
      : []),
    ...(status === 'finished' ? [{ text: t('Show Report'), run: () => send({ t: 'report' }), primary: true }] : []),
    { text: t('Show Log'), run: () => send({ t: 'log' }) },
  ];
}

/**
 * Name, status, progress, facts, actions and problems of the run. The buttons stay the same elements while they offer the same: with many
 * steps a second nobody could press one that is made anew with each.
 */
export function header(): {
  element: HTMLElement;
  update(view: RunView, context: RunContext, progress?: StepProgress): void;
} {
  const name = element('h1', {});
  const state = element('span', {});
  const actions = element('span', { class: 'actions' });
  const rest = element('div', {});
  let offered = '';

  function offer(list: readonly Action[]): void {
    const texts = list.map(({ text }) => text);
    if (offered === texts.join('\n')) return;
    offered = texts.join('\n');
    // the keyboard stays where it was
    const focused = actions.contains(document.activeElement) ? document.activeElement?.textContent : undefined;
    const buttons = list.map(({ text, run, primary }) => button(text, run, primary ? 'primary' : 'secondary'));
    actions.replaceChildren(...buttons);
    buttons[focused ? texts.indexOf(focused) : -1]?.focus();
  }

  function update(view: RunView, context: RunContext, progress?: StepProgress): void {
    const status = shownStatus(view, context);
    const { started } = view;
    name.textContent = started?.experiment ?? context.experiment;
    state.className = `status ${status}`;
    state.replaceChildren(
      svgElement(
        'svg',
        { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': true },
        svgElement('path', { d: SHAPES[status] }),
      ),
      statusText(status),
    );
    offer(actionsOf(status, context));
    rest.replaceChildren(
      progressOf(view, status, context, progress),
      element(
        'dl',
        { class: 'facts' },
        ...fact(t('Method'), started?.method.toUpperCase()),
        ...fact(t('Model'), started?.model),
        ...fact(t('Engine'), view.engine),
        ...fact(t('Device'), view.device),
        ...fact(t('Threads'), view.threads ?? started?.threads),
        ...fact(t('Seed'), started?.seed),
        ...fact(t('Time per step'), view.secondsPerStep === undefined ? undefined : duration1(view.secondsPerStep)),
        ...fact(t('Run'), started?.runId ?? context.runId),
      ),
      ...(view.problems.length > 0 ? [element('ul', { class: 'problems' }, ...view.problems.map(problemText))] : []),
    );
  }

  const title = element('div', { class: 'title' }, name, state, actions);
  return { element: element('header', {}, title, rest), update };
}

function duration1(seconds: number): string {
  return seconds < 10 ? t('{0} s', seconds.toFixed(2)) : duration(seconds);
}
