import type { RunConfig } from './runFolder';
import type { RunView } from './runView';

/** 93.4 -> `1 min 33 s`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const STATUS = {
  waiting: 'has not started',
  running: 'has not finished',
  stopped: 'was stopped and can be resumed',
  failed: 'failed',
  finished: 'finished',
} as const;

/** One sentence on where a run stands. */
export function statusText(view: RunView): string {
  const steps = view.steps > 0 ? ` after ${view.step} of ${view.steps} steps` : '';
  return `This run ${STATUS[view.status]}${view.status === 'waiting' ? '' : steps}.`;
}

/** What a report says of a run beside its rates: name -> value, in order. */
export function runFacts(view: RunView): [string, string][] {
  const { started } = view;
  const facts: [string, string | undefined][] = [
    ['Run', started?.runId],
    ['Model', started?.model],
    ['Method', started?.method],
    ['Steps', view.steps > 0 ? `${view.step} of ${view.steps}` : undefined],
    ['Working time', view.seconds === undefined ? undefined : durationText(view.seconds)],
    [
      'Time per step',
      view.secondsPerStep === undefined ? undefined : `${view.secondsPerStep.toFixed(2)} s (median of the last steps)`,
    ],
    [
      'Engine',
      view.engine === '' ? undefined : `${view.engine} (${view.device}), ${view.threads ?? started?.threads} threads`,
    ],
    ['Seed', started === undefined ? undefined : String(started.seed)],
    ['Started', view.startedAt === undefined ? undefined : new Date(view.startedAt).toISOString()],
    ['Sparring', started?.version],
    ['SHA-256 of model', started?.hashes.model],
    ['SHA-256 of data', started?.hashes.data],
    ['SHA-256 of settings', started?.hashes.config],
    ['SHA-256 of adapter', view.adapterSha256],
  ];
  return facts.filter((it): it is [string, string] => it[1] !== undefined && it[1] !== '');
}

/** The settings of a config, depth first: path -> value. Lists of plain values stay in one row. */
export function configRows(value: unknown, path = ''): [string, string][] {
  if (Array.isArray(value)) {
    if (value.every((it) => typeof it !== 'object' || it === null)) return [[path, value.join(', ')]];
    return value.flatMap((it, i) => configRows(it, `${path}[${i}]`));
  }
  if (typeof value !== 'object' || value === null) return value === undefined ? [] : [[path, String(value)]];
  return Object.entries(value).flatMap(([key, it]) => configRows(it, path === '' ? key : `${path}.${key}`));
}

const NO_SETTING = new Set(['hashes', 'version', '$schema']);

/** The settings of a run's config.json, without what is said elsewhere. */
export function settingRows(config: RunConfig | undefined): [string, string][] {
  return Object.entries(config ?? {}).flatMap(([key, value]) => (NO_SETTING.has(key) ? [] : configRows(value, key)));
}

export const HOW_TO_READ =
  'Rates are shares of judged examples, in brackets the 95 % Wilson interval. A difference counts as shown when the exact McNemar test on the same examples before and after gives p < 0.05; p is not corrected for the number of rows.';
