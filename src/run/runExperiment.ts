import { basename, relative } from 'node:path';
import { nextTurn } from '../base/nextTurn';
import { Problem, type ProblemData, toProblemData } from '../base/problem';
import { Scope } from '../base/scope';
import { type Unit, unitKey } from '../evaluation/unit';
import type { Resolved } from '../experiment/schema';
import { createAdapter, freeAdapter, freeMerged, mergeAdapter } from '../model/lora';
import type { StepProgress } from '../protocol/worker';
import type { Phase, ResumedRecord, RunRecord } from '../records/record';
import { readRecords } from '../records/runFolder';
import { type Engine, startEngine } from '../tensor/engine';
import { AdamW } from '../tensor/optimizer';
import { loadCheckpoint, saveCheckpoint, savedSteps, type TrainState } from './checkpoint';
import { finishRun } from './finishRun';
import { hashInputs } from './hashes';
import { lockRun, type RunLock } from './lock';
import { cleanReferences } from './references';
import { type Kept, rewind } from './resume';
import { type RunConfigFile, readRunConfig, writeRunConfig } from './runConfig';
import { type Setup, setUp } from './setUp';
import { train } from './train';
import { openWriter, type Writer } from './writer';

/** How a run ends that does not fail. */
export type RunEnd = 'finished' | 'stopped';

export interface RunLinks {
  /** Aborted, it stops the run: a step or a measurement in flight is dropped. */
  signal: AbortSignal;
  /** Every new record, after it is on disk; of a resumed run also those that were kept, first. */
  onRecord?(record: RunRecord): void;
  /** Where in a step the training is. */
  onProgress?(progress: StepProgress): void;
  /** The run folder is this process's alone from now on; what is returned is closed at the end. */
  onLocked?(): Promise<{ close(): void }>;
}

export interface Machine {
  engine?: Resolved['engine'];
  threads?: number;
  nativePath?: string;
  webgpuPath?: string;
}

/** Starts a run in a folder that holds none yet. Whatever fails is in its records too, and is thrown. */
export async function startRun(
  folder: string,
  resolved: Resolved,
  about: { version: string; machine: Machine },
  links: RunLinks,
): Promise<RunEnd> {
  const lock = lockRun(folder);
  try {
    if (readRecords(folder).length > 0)
      throw new Problem('runExists', `${folder} already holds a run; resume it, or give another run id.`, {
        file: folder,
      });
    return await session(folder, lock, links, async () => {
      const config = { resolved, hashes: await hashInputs(resolved), version: about.version };
      writeRunConfig(folder, config);
      return { config, machine: { engine: resolved.engine, ...defined(about.machine) } };
    });
  } finally {
    lock.release();
  }
}

/** Goes on with a run that was stopped, killed or failed, from its last checkpoint. Throws a Problem when model, data or chat template changed. */
export async function resumeRun(
  folder: string,
  about: { version: string; machine: Machine },
  links: RunLinks,
): Promise<RunEnd> {
  const config = readRunConfig(folder);
  const lock = lockRun(folder);
  try {
    const records = readRecords(folder);
    if (records.some((record) => record.kind === 'finished'))
      throw new Problem('runFinished', `The run ${folder} has finished; there is nothing to resume.`, { file: folder });
    return await session(folder, lock, links, async () => {
      const hashes = await hashInputs(config.resolved);
      for (const part of ['model', 'data', 'template'] as const)
        if (hashes[part] !== config.hashes[part])
          throw new Problem(
            'inputsChanged',
            `The ${part === 'template' ? 'chat template' : part} of this run has changed since it started; put it back, or start a new run.`,
            {
              file: (part !== 'data' && config.resolved[part]) || config.resolved.file,
            },
          );
      // The engine and the threads it began with, so that the numbers stay the same to the last bit.
      const began = records.find((record) => record.kind === 'started');
      const machine = began && { engine: began.engine as Resolved['engine'], threads: began.threads };
      return { config, machine: { ...machine, ...defined(about.machine) } };
    });
  } finally {
    lock.release();
  }
}

const defined = (machine: Machine): Machine =>
  Object.fromEntries(Object.entries(machine).filter(([, value]) => value !== undefined));

/** From the last checkpoint (or the start) to the end, a stop or a failure. */
async function session(
  folder: string,
  lock: RunLock,
  links: RunLinks,
  prepare: () => Promise<{ config: RunConfigFile; machine: Machine }>,
): Promise<RunEnd> {
  const scope = new Scope();
  const step = savedSteps(folder).at(-1) ?? 0;
  const kept = rewind(folder, step);
  for (const record of kept.records) links.onRecord?.(record);
  const writer = scope.own(openWriter(folder, (record) => links.onRecord?.(record)));
  try {
    if (links.onLocked) scope.own(await links.onLocked());
    const { config, machine } = await prepare();
    const { resolved } = config;
    const engine = await startEngine({ ...machine, engine: machine.engine ?? resolved.engine });
    const setup = await setUp(resolved);
    scope.own(setup);
    announce(folder, writer, { config, engine, setup, kept, step });
    const optimizer = new AdamW({ weightDecay: resolved.training.weightDecay });
    const state: TrainState =
      step > 0
        ? await loadCheckpoint(folder, step, setup.model.config, optimizer)
        : { step: 0, adapter: createAdapter(setup.model.config, resolved.lora, resolved.seed), optimizer };
    scope.own(() => {
      freeAdapter(state.adapter);
      optimizer.close();
    });
    const done = await work({ folder, lock, links, writer, setup, state, kept });
    if (!done) {
      writer.record({ kind: 'stopped', step: state.step });
      return 'stopped';
    }
    await finishRun(folder, { config, model: setup.model, state, writer });
    return 'finished';
  } catch (error) {
    const problem = toProblemData(error);
    // A run that another process writes now gets no word from this one.
    if (problem.code !== 'runTakenOver') writer.record({ kind: 'failed', problem });
    throw error;
  } finally {
    scope.close();
  }
}

/** An engine that is there but cannot be used is worth a word: the run is slower than its user expects. */
function refusedEngines({ candidates, name }: Engine): ProblemData[] {
  return candidates.flatMap(({ found, refused, mend, name: other, version }) =>
    found && refused !== undefined && other !== name
      ? [
          {
            code: 'engineRefused',
            severity: 'warning' as const,
            message:
              `The engine ${other} (${version ?? 'no version'}) was refused, ${name} is used: ${refused}. ${mend ?? ''}`.trim(),
          },
        ]
      : [],
  );
}

/** Another engine, device or (on the native engine) number of threads rounds otherwise: then the run is not the one that its seed gives. */
function otherEngine(last: Pick<ResumedRecord, 'engine' | 'device' | 'threads'>, now: Engine): ProblemData[] {
  const where = ({ engine, device, threads }: typeof last) =>
    engine === 'native' ? `${engine} (${device}, ${threads} threads)` : `${engine} (${device})`;
  const [before, after] = [where(last), where({ ...now, engine: now.name })];
  if (before === after) return [];
  const message = `So far the run was computed on ${before}; it goes on with ${after}, which rounds otherwise: its last digits are not those of a run on either alone.`;
  return [{ code: 'otherEngine', severity: 'warning', message }];
}

function announce(
  folder: string,
  writer: Writer,
  about: { config: RunConfigFile; engine: Engine; setup: Setup; kept: Kept; step: number },
): void {
  const { resolved, hashes, version } = about.config;
  const { name: engine, device, threads } = about.engine;
  const last = about.kept.records.findLast(({ kind }) => kind === 'started' || kind === 'resumed');
  if (last) {
    writer.record({ kind: 'resumed', step: about.step, engine, device, threads });
    for (const problem of otherEngine(last as ResumedRecord, about.engine)) writer.record({ kind: 'problem', problem });
    return;
  }
  const { file, name: experiment, method, seed } = resolved;
  writer.record({
    kind: 'started',
    runId: basename(folder),
    experiment,
    file: relative(folder, file).replaceAll('\\', '/'),
    method: method.name,
    model: basename(resolved.model),
    engine,
    device,
    threads,
    seed,
    steps: about.setup.steps,
    version,
    hashes,
  });
  for (const problem of [...refusedEngines(about.engine), ...about.setup.warnings])
    writer.record({ kind: 'problem', problem });
}

interface Work {
  folder: string;
  lock: RunLock;
  links: RunLinks;
  writer: Writer;
  setup: Setup;
  state: TrainState;
  kept: Kept;
}

/** Measure, train, measure again; false when it was asked to stop before the end. */
async function work(all: Work): Promise<boolean> {
  const { folder, lock, links, writer, setup, state } = all;
  const { resolved, steps } = setup;
  try {
    if (resolved.evaluation.before && state.step === 0) await evaluate(all, 'before');
    if (state.step < steps) {
      const references = await cleanReferences(setup, links.signal);
      const save = (now: TrainState) => {
        lock.check();
        const { config } = setup.model;
        return saveCheckpoint(folder, now, { config, baseModel: resolved.model, keep: resolved.checkpoints.keep });
      };
      for await (const output of train(setup, state, { ...links, save, references })) writer.write(output);
    }
    links.signal.throwIfAborted();
    await evaluate(all, 'after');
    return true;
  } catch (error) {
    if (error === links.signal.reason) return false;
    throw error;
  }
}

/** Measures every unit that is not done yet. A unit that is cut short by a stop is measured again. */
async function evaluate({ links, writer, setup, state, kept }: Work, phase: Phase): Promise<void> {
  const { model, resolved, embeddingNorm, units } = setup;
  const { step } = state;
  const missing: readonly Unit[] = units.filter((unit) => !kept.units.has(unitKey(phase, step, unit.metric)));
  const weights = mergeAdapter(model.config, model.weights, state.adapter);
  const { system, seed, evaluation: options } = resolved;
  try {
    for (const unit of missing) {
      const context = { model, weights, embeddingNorm, options, system, seed, phase, step, signal: links.signal };
      for await (const output of unit.run(context)) {
        writer.write(output);
        await nextTurn();
      }
      links.signal.throwIfAborted();
    }
  } finally {
    freeMerged(weights, model.weights);
  }
}
