import type { ProblemData } from '../base/problem';
import { median } from '../base/statistics';
import type { AttackRecord, Phase, Rates, RunRecord, SampleRecord, StepRecord } from './record';
import type { AttackPoint, RunView, SampleView } from './runView';

const noRates = (): Rates => ({ attackSuccess: {} });

/** The view of a run of which nothing is known yet. */
export const emptyView: RunView = {
  status: 'waiting',
  engine: '',
  device: '',
  step: 0,
  steps: 0,
  history: [],
  rates: { before: noRates(), after: noRates() },
  attackSuccess: [],
  samples: [],
  problems: [],
};

/** How many of the last steps tell the speed. */
const SPEED_WINDOW = 20;

/** A view in the making: its lists are copied once, at the first change, and then pushed to. */
interface Draft {
  view: { -readonly [K in keyof RunView]: RunView[K] };
  history?: StepRecord[];
  attackSuccess?: AttackPoint[];
  samples?: SampleView[];
}

// Where each judged output stands in a list of samples. Kept beside the list, so that a view stays plain data; made again for a list that has none.
const places = new WeakMap<readonly SampleView[], Map<string, number>>();
const sampleKey = (it: SampleView): string => JSON.stringify([it.phase, it.step, it.metric, it.example]);

function placesOf(samples: readonly SampleView[]): Map<string, number> {
  let map = places.get(samples);
  if (!map) {
    map = new Map(samples.map((sample, i) => [sampleKey(sample), i]));
    places.set(samples, map);
  }
  return map;
}

function editHistory(draft: Draft): StepRecord[] {
  draft.history ??= [...draft.view.history];
  draft.view.history = draft.history;
  return draft.history;
}

function editAttackSuccess(draft: Draft): AttackPoint[] {
  draft.attackSuccess ??= [...draft.view.attackSuccess];
  draft.view.attackSuccess = draft.attackSuccess;
  return draft.attackSuccess;
}

function editSamples(draft: Draft): SampleView[] {
  if (!draft.samples) {
    const known = placesOf(draft.view.samples);
    draft.samples = [...draft.view.samples];
    // the index moves on to the new list; the old one gets a new index should it ever be folded again
    places.delete(draft.view.samples);
    places.set(draft.samples, known);
    draft.view.samples = draft.samples;
  }
  return draft.samples;
}

/** Forgets what a killed or stopped session did beyond optimizer step `step`: it is done again. */
function dropAfter(draft: Draft, step: number): void {
  const { view } = draft;
  draft.history = view.history.filter((it) => it.step <= step);
  draft.attackSuccess = view.attackSuccess.filter((it) => it.step <= step);
  draft.samples = view.samples.filter((it) => it.step <= step);
  const ended = step >= view.steps && view.steps > 0;
  draft.view = {
    ...view,
    step,
    history: draft.history,
    attackSuccess: draft.attackSuccess,
    samples: draft.samples,
    rates: ended ? view.rates : { before: view.rates.before, after: noRates() },
    checkpoint: view.checkpoint && view.checkpoint.step <= step ? view.checkpoint : undefined,
  };
}

function addStep(draft: Draft, record: StepRecord): void {
  if (record.step <= draft.view.step) dropAfter(draft, record.step - 1);
  const history = editHistory(draft);
  history.push(record);
  draft.view.step = record.step;
  draft.view.status = 'running';
  draft.view.activity = { phase: 'training' };
  draft.view.secondsPerStep = median(history.slice(-SPEED_WINDOW).map((it) => it.seconds));
}

function addSample(draft: Draft, record: SampleRecord): void {
  const { phase, step, metric, text, example, counted, loss } = record;
  const sample: SampleView = { phase, step, metric, text, example, counted, ...(loss === undefined ? {} : { loss }) };
  const samples = editSamples(draft);
  const known = placesOf(samples);
  const key = sampleKey(sample);
  const place = known.get(key);
  // measured again by a resumed session: the later one counts
  if (place === undefined) known.set(key, samples.push(sample) - 1);
  else samples[place] = sample;
}

function withRates(draft: Draft, phase: Phase, change: (rates: Rates) => Rates): void {
  if (phase === 'during') return;
  draft.view.rates = { ...draft.view.rates, [phase]: change(draft.view.rates[phase]) };
}

function addAttack(draft: Draft, { phase, step, attack, epsilon, rate }: AttackRecord): void {
  withRates(draft, phase, (rates) => ({
    ...rates,
    attackSuccess: {
      ...rates.attackSuccess,
      [attack]: { ...rates.attackSuccess[attack], [String(epsilon)]: rate },
    },
  }));
  const points = editAttackSuccess(draft);
  const same = points.findIndex((it) => it.step === step && it.attack === attack && it.epsilon === epsilon);
  if (same < 0) points.push({ step, attack, epsilon, rate });
  else points[same] = { step, attack, epsilon, rate };
}

function addProblem(draft: Draft, problem: ProblemData): void {
  const known = draft.view.problems.some((it) => it.code === problem.code && it.message === problem.message);
  if (!known) draft.view.problems = [...draft.view.problems, problem];
}

function end(draft: Draft, status: RunView['status']): void {
  draft.view.status = status;
  draft.view.activity = undefined;
}

function apply(draft: Draft, record: RunRecord): void {
  draft.view.updatedAt = record.time;
  switch (record.kind) {
    case 'started': {
      const { engine, device, threads, steps, time } = record;
      draft.view = {
        ...emptyView,
        status: 'running',
        started: record,
        engine,
        device,
        threads,
        steps,
        startedAt: time,
      };
      draft.view.updatedAt = time;
      draft.history = draft.attackSuccess = draft.samples = undefined;
      return;
    }
    case 'resumed': {
      dropAfter(draft, record.step);
      const { engine, device, threads } = record;
      // what made the last session fail is over; warnings stay
      draft.view.problems = draft.view.problems.filter((it) => it.severity === 'warning');
      Object.assign(draft.view, {
        status: 'running',
        engine,
        device,
        threads,
        seconds: undefined,
        activity: undefined,
      });
      return;
    }
    case 'step':
      addStep(draft, record);
      return;
    case 'progress': {
      const { phase, metric, done, total } = record;
      draft.view.status = 'running';
      draft.view.activity = { phase, metric, done, total };
      return;
    }
    case 'rate':
      withRates(draft, record.phase, (rates) => ({ ...rates, [record.metric]: record.rate }));
      return;
    case 'attack':
      addAttack(draft, record);
      return;
    case 'sample':
      addSample(draft, record);
      return;
    case 'checkpoint':
      draft.view.checkpoint = record;
      return;
    case 'problem':
      addProblem(draft, record.problem);
      return;
    case 'stopped':
      end(draft, 'stopped');
      return;
    case 'failed':
      addProblem(draft, record.problem);
      end(draft, 'failed');
      return;
    case 'finished':
      draft.view.seconds = record.seconds;
      draft.view.adapterSha256 = record.adapterSha256;
      end(draft, 'finished');
      return;
    default:
      record satisfies never;
  }
}

/** The view after these records. `view` is not changed. Lists are copied once per call, so whole files and batches cost one pass. */
export function foldAll(view: RunView, records: Iterable<RunRecord>): RunView {
  const draft: Draft = { view: { ...view } };
  for (const record of records) apply(draft, record);
  return draft.view;
}

/** The view after one more record. `view` is not changed. For many records at once, `foldAll`. */
export function fold(view: RunView, record: RunRecord): RunView {
  return foldAll(view, [record]);
}
