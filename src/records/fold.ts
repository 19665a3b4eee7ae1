import type { ProblemData } from '../base/problem';
import { median } from '../base/statistics';
import type { AttackRecord, Phase, Rates, RunRecord, SampleRecord, StepRecord } from './record';
import type { AttackPoint, RunView, SampleView } from './runView';
import { SharedList } from './sharedList';

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

interface Lists {
  history: SharedList<StepRecord>;
  attackSuccess: SharedList<AttackPoint>;
  samples: SharedList<SampleView>;
}
type Fields = Omit<RunView, keyof Lists>;
interface Draft {
  fields: Fields;
  lists: Lists;
}

// What a view was made of. Views share their long lists, so that a run of 100,000 records is not copied with each; a view that came through a
// message has no entry here and is read as plain data.
const origins = new WeakMap<RunView, Draft>();

function draftOf(view: RunView): Draft {
  const origin = origins.get(view);
  if (origin) return { fields: { ...origin.fields }, lists: { ...origin.lists } };
  const { history, attackSuccess, samples, ...fields } = view;
  return {
    fields,
    lists: {
      history: SharedList.from(history),
      attackSuccess: SharedList.from(attackSuccess),
      samples: SharedList.from(samples),
    },
  };
}

/** A view as plain data, whose lists become arrays when somebody reads them. */
function viewOf(draft: Draft): RunView {
  const { fields, lists } = draft;
  const view = { ...fields } as RunView;
  for (const name of ['history', 'attackSuccess', 'samples'] as const)
    Object.defineProperty(view, name, { enumerable: true, get: () => lists[name].toArray() });
  origins.set(view, draft);
  return view;
}

// Where each judged output stands in a list of samples; shared by the lists that share their items, so each find is checked.
const places = new WeakMap<readonly SampleView[], Map<string, number>>();
const sampleKey = (it: SampleView): string => JSON.stringify([it.phase, it.step, it.metric, it.example]);

function placeOf(samples: SharedList<SampleView>, key: string): number | undefined {
  let known = places.get(samples.items);
  if (!known) {
    known = new Map(samples.toArray().map((sample, i) => [sampleKey(sample), i]));
    places.set(samples.items, known);
  }
  const place = known.get(key);
  if (place === undefined) return undefined;
  const there = samples.at(place);
  return there && sampleKey(there) === key ? place : undefined;
}

function addSample({ lists }: Draft, record: SampleRecord): void {
  const { phase, step, metric, text, example, counted, loss } = record;
  const sample: SampleView = { phase, step, metric, text, example, counted, ...(loss === undefined ? {} : { loss }) };
  const key = sampleKey(sample);
  const place = placeOf(lists.samples, key);
  // measured again by a resumed session: the later one counts
  lists.samples = place === undefined ? lists.samples.push(sample) : lists.samples.with(place, sample);
  if (place === undefined) places.get(lists.samples.items)?.set(key, lists.samples.length - 1);
}

/** Forgets what a killed or stopped session did beyond optimizer step `step`: it is done again. */
function dropAfter({ fields, lists }: Draft, step: number): void {
  const keeps = (it: { step: number }): boolean => it.step <= step;
  lists.history = lists.history.filter(keeps);
  lists.attackSuccess = lists.attackSuccess.filter(keeps);
  lists.samples = lists.samples.filter(keeps);
  fields.step = step;
  if (fields.checkpoint && fields.checkpoint.step > step) fields.checkpoint = undefined;
  const ended = step >= fields.steps && fields.steps > 0;
  if (!ended) fields.rates = { before: fields.rates.before, after: noRates() };
}

function addStep(draft: Draft, record: StepRecord): void {
  if (record.step <= draft.fields.step) dropAfter(draft, record.step - 1);
  const { fields, lists } = draft;
  lists.history = lists.history.push(record);
  fields.step = record.step;
  fields.status = 'running';
  fields.activity = { phase: 'training' };
}

function lastSeconds(history: SharedList<StepRecord>): number | undefined {
  const seconds: number[] = [];
  for (let i = Math.max(0, history.length - SPEED_WINDOW); i < history.length; i++)
    seconds.push(history.at(i)?.seconds ?? 0);
  return median(seconds);
}

function withRates({ fields }: Draft, phase: Phase, change: (rates: Rates) => Rates): void {
  if (phase !== 'during') fields.rates = { ...fields.rates, [phase]: change(fields.rates[phase]) };
}

function addAttack(draft: Draft, { phase, step, attack, epsilon, rate }: AttackRecord): void {
  withRates(draft, phase, (rates) => ({
    ...rates,
    attackSuccess: {
      ...rates.attackSuccess,
      [attack]: { ...rates.attackSuccess[attack], [String(epsilon)]: rate },
    },
  }));
  const { lists } = draft;
  const point: AttackPoint = { step, attack, epsilon, rate };
  const same = lists.attackSuccess
    .toArray()
    .findIndex((it) => it.step === step && it.attack === attack && it.epsilon === epsilon);
  lists.attackSuccess = same < 0 ? lists.attackSuccess.push(point) : lists.attackSuccess.with(same, point);
}

function addProblem({ fields }: Draft, problem: ProblemData): void {
  const known = fields.problems.some((it) => it.code === problem.code && it.message === problem.message);
  if (!known) fields.problems = [...fields.problems, problem];
}

function end({ fields }: Draft, status: RunView['status']): void {
  fields.status = status;
  fields.activity = undefined;
}

/** Changes the draft, which is ours alone. */
function apply(draft: Draft, record: RunRecord): void {
  const { fields } = draft;
  fields.updatedAt = record.time;
  switch (record.kind) {
    case 'started': {
      const { engine, device, threads, steps, time } = record;
      const { fields: fresh, lists } = draftOf(emptyView);
      draft.lists = lists;
      draft.fields = { ...fresh, status: 'running', started: record, engine, device, threads, steps };
      draft.fields.startedAt = draft.fields.updatedAt = time;
      return;
    }
    case 'resumed': {
      dropAfter(draft, record.step);
      const { engine, device, threads } = record;
      // what made the last session fail is over; warnings stay
      const problems = fields.problems.filter((it) => it.severity === 'warning');
      Object.assign(fields, {
        status: 'running',
        engine,
        device,
        threads,
        problems,
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
      fields.status = 'running';
      fields.activity = { phase, metric, done, total };
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
      fields.checkpoint = record;
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
      fields.seconds = record.seconds;
      fields.adapterSha256 = record.adapterSha256;
      end(draft, 'finished');
      return;
    default:
      record satisfies never;
  }
}

/** The view after these records. `view` is not changed. */
export function foldAll(view: RunView, records: Iterable<RunRecord>): RunView {
  const draft = draftOf(view);
  for (const record of records) apply(draft, record);
  const seconds = lastSeconds(draft.lists.history);
  if (seconds === undefined) delete draft.fields.secondsPerStep;
  else draft.fields.secondsPerStep = seconds;
  return viewOf(draft);
}

/** The view after one more record. `view` is not changed. Costs the same however long the run is. */
export function fold(view: RunView, record: RunRecord): RunView {
  return foldAll(view, [record]);
}
