import { type StepProgress, WORKER_PROTOCOL, type WorkerStatus } from '../protocol/worker';
import { emptyView, fold } from '../records/fold';
import type { RunRecord, StepRecord } from '../records/record';
import { durationText } from '../records/runFacts';
import type { RunView } from '../records/runView';

export interface Progress {
  onRecord(record: RunRecord): void;
  onProgress(progress: StepProgress): void;
  view(): RunView;
  status(): WorkerStatus;
  /** A line of its own, above the bar. */
  say(line: string): void;
  /** Takes the bar away. Harmless when done twice. */
  end(): void;
}

const BAR = 24;

const percent = (value: number): string => `${Math.round(100 * value)} %`;

/** The numbers of a step, for people. */
export function stepText({ losses, attack }: StepRecord): string {
  const parts = [`loss ${losses.total.toFixed(3)}`];
  for (const name of ['toward', 'away', 'ipo', 'utility'] as const) {
    const value = losses[name];
    if (value !== undefined) parts.push(`${name} ${value.toFixed(3)}`);
  }
  if (attack) parts.push(`attack ${attack.before.toFixed(2)} -> ${attack.after.toFixed(2)}`);
  return parts.join('  ');
}

function speedText({ secondsPerStep, step, steps }: RunView): string {
  if (!secondsPerStep) return '';
  const speed =
    secondsPerStep < 1 ? `${(1 / secondsPerStep).toFixed(1)} steps/s` : `${secondsPerStep.toFixed(1)} s/step`;
  return `  ${speed}  ${durationText(secondsPerStep * (steps - step))} left`;
}

/** From so many seconds per step on, what goes on within one is worth a word. */
const LONG = 2;

function withinText({ micro, micros, attack }: StepProgress): string {
  const doing = attack && (attack.done < attack.of ? `attack ${attack.done}/${attack.of}` : 'gradients');
  return [micros > 1 ? `micro-batch ${micro}/${micros}` : [], doing ?? []].flat().join(', ');
}

function barText(view: RunView, within?: StepProgress): string {
  const { activity, step, steps } = view;
  const measuring = activity && activity.phase !== 'training' ? activity : undefined;
  const [done, total] = measuring ? [measuring.done, measuring.total] : [step, steps];
  const filled = total > 0 ? Math.round((BAR * done) / total) : 0;
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}]`;
  if (measuring) return `${bar} ${measuring.phase}: ${measuring.metric} ${done}/${total}`;
  const last = view.history.at(-1);
  const now = within && (view.secondsPerStep ?? LONG) >= LONG ? `  ${withinText(within)}` : '';
  if (!last) return `${bar} step 0/${steps}${now}`;
  const success = view.attackSuccess.at(-1);
  const measured = success ? `  attack success ${percent(success.rate.value)}` : '';
  return `${bar} step ${step}/${steps}${now}  ${stepText(last)}${measured}${speedText(view)}`;
}

function plainLine(record: RunRecord, view: RunView): string | undefined {
  switch (record.kind) {
    case 'started':
      return `Started ${record.runId}: ${record.method} on ${record.model}, ${record.steps} steps, ${record.engine} (${record.device}, ${record.threads} threads), seed ${record.seed}`;
    case 'resumed':
      return `Resumed after step ${record.step} of ${view.steps}, ${record.engine} (${record.device}, ${record.threads} threads)`;
    case 'step':
      return `step ${record.step}/${view.steps}  ${stepText(record)}${speedText(view)}`;
    case 'rate':
      return `${record.phase}: ${record.metric} ${record.rate.value.toFixed(3)} (n ${record.rate.n}, ${record.seconds.toFixed(1)} s)`;
    case 'attack':
      return `${record.phase}: attack success of ${record.attack} at ${record.epsilon}: ${record.rate.value.toFixed(3)} (n ${record.rate.n}, loss ${record.lossBefore.toFixed(2)} -> ${record.lossAfter.toFixed(2)}, ${record.seconds.toFixed(1)} s)`;
    case 'problem':
      return `${record.problem.severity}: ${record.problem.message}`;
    case 'finished':
      return `Finished after ${durationText(record.seconds)} of work`;
    default:
      return undefined;
  }
}

/** Shows a run as it goes: a bar that is drawn over and over on a terminal, or a line for each fact. Kept records of a resumed run are not repeated. */
export function showProgress({ plain }: { plain: boolean }): Progress {
  let view: RunView = emptyView;
  let drawn: string | undefined;
  let ended = false;
  const began = Date.now();
  let within: StepProgress | undefined;
  const draw = () => {
    if (plain || ended) return;
    const columns = process.stdout.columns ?? 80;
    const bar = barText(view, within).slice(0, Math.max(1, columns - 1));
    if (bar === drawn) return;
    clear();
    process.stdout.write(bar);
    drawn = bar;
  };
  const clear = () => {
    if (drawn !== undefined) process.stdout.write('\r\u001b[K');
    drawn = undefined;
  };
  const say = (line: string) => {
    clear();
    console.log(line);
  };
  return {
    onRecord(record) {
      view = fold(view, record);
      if (record.kind !== 'problem') within = undefined;
      if (record.time < began) return;
      const line = plainLine(record, view);
      if (line !== undefined && (plain || record.kind !== 'step')) say(line);
      draw();
    },
    onProgress(progress) {
      within = progress;
      draw();
    },
    view: () => view,
    status: () => ({
      protocol: WORKER_PROTOCOL,
      runId: view.started?.runId ?? '',
      step: view.step,
      steps: view.steps,
      progress: within,
    }),
    say,
    end() {
      clear();
      ended = true;
    },
  };
}
