import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { sha256 } from '../../src/base/files';
import { Problem } from '../../src/base/problem';
import type { Resolved } from '../../src/experiment/schema';
import type { StepProgress } from '../../src/protocol/worker';
import type { RunRecord, Summary } from '../../src/records/record';
import { readRecords, readRunFolder } from '../../src/records/runFolder';
import { lockRun } from '../../src/run/lock';
import { type RunEnd, resumeRun, startRun } from '../../src/run/runExperiment';
import { tinyExperiment } from './tinyExperiment';

const about = { version: '0.0.0', machine: { threads: 1 } };
const never = { signal: new AbortController().signal };
const atOnce = { signal: AbortSignal.abort() };
const hashOf = (folder: string) => sha256(readFileSync(join(folder, 'adapter', 'adapter_model.safetensors')));

function newFolder(base: string, name: string): string {
  const folder = join(base, 'runs', 'tiny', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

async function run(resolved: Resolved, folder: string): Promise<string> {
  assert.equal(await startRun(folder, resolved, about, never), 'finished');
  return hashOf(folder);
}

/** What two runs of the same seed must have in common. */
function lasting(folder: string): Partial<Summary> {
  const { runId: _id, seconds: _seconds, ...summary } = readRunFolder(folder).summary ?? assert.fail('no summary');
  return summary;
}

/** Stops at the n-th record of this session, and resumes again and again, until it has finished. */
async function inPieces(resolved: Resolved, folder: string, every: number): Promise<number> {
  let sessions = 0;
  let end: RunEnd = 'stopped';
  while (end === 'stopped') {
    // Records that were kept are told first, and do not count.
    let left = every + readRecords(folder).length;
    const stop = new AbortController();
    const links = {
      signal: stop.signal,
      onRecord: (_record: RunRecord) => {
        if (--left <= 0) stop.abort();
      },
    };
    end = sessions === 0 ? await startRun(folder, resolved, about, links) : await resumeRun(folder, about, links);
    assert.ok(++sessions < 100, 'the run makes no progress');
  }
  return sessions;
}

test('a run leaves a whole folder, and the same seed gives the same summary and adapter', async () => {
  const { folder, resolved } = tinyExperiment();
  const [one, two] = [newFolder(folder, 'one'), newFolder(folder, 'two')];
  assert.equal(await run(resolved, one), await run(resolved, two));
  assert.deepEqual(lasting(one), lasting(two));
  for (const name of [
    'config.json',
    'records.jsonl',
    'texts.jsonl',
    'summary.json',
    'report.md',
    'report.html',
    'adapter/adapter_config.json',
    'tensorboard',
  ])
    assert.ok(existsSync(join(one, name)), `${name} is missing`);
  assert.ok(!existsSync(join(one, 'lock.json')), 'the lock was left behind');
  const summary = readRunFolder(one).summary;
  for (const phase of ['before', 'after'] as const) {
    assert.deepEqual(Object.keys(summary?.[phase] ?? {}).sort(), [
      'attackSuccess',
      'leak',
      'refusal',
      'stillKnows',
      'utility',
    ]);
    assert.deepEqual(Object.keys(summary?.[phase].attackSuccess['embedding'] ?? {}), ['0.1', '0.3']);
    assert.equal(summary?.[phase].leak?.n, 6);
  }
  assert.equal(summary?.hashes.adapter, hashOf(one));
  const { view } = readRunFolder(one);
  assert.equal(view.status, 'finished');
  assert.deepEqual(
    view.history.map((step) => step.step),
    [1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(
    view.attackSuccess.filter((point) => point.epsilon === 0.3).map((point) => point.step),
    [0, 2, 4, 6],
  );
});

test('another seed gives another adapter', async () => {
  const { folder, resolved } = tinyExperiment((yaml) => yaml.replace('steps: 6', 'steps: 2'));
  const a = await run(resolved, newFolder(folder, 'a'));
  assert.notEqual(a, await run({ ...resolved, seed: 4 }, newFolder(folder, 'b')));
});

test('a base of fewer bits trains, each to an adapter of its own, and in the same bytes when it is stopped on the way', async () => {
  const adapters = new Set<string>();
  for (const precision of ['float32', 'bfloat16', 'int8', 'nf4']) {
    const { folder, resolved } = tinyExperiment((yaml) =>
      yaml.replace('steps: 6', 'steps: 2').replace('engine: wasm', `engine: wasm\nprecision: ${precision}`),
    );
    const hash = await run(resolved, newFolder(folder, 'whole'));
    adapters.add(hash);
    const pieces = newFolder(folder, 'pieces');
    await inPieces(resolved, pieces, 11);
    assert.equal(hashOf(pieces), hash);
  }
  assert.equal(adapters.size, 4);
});

test('a run that is asked to stop anywhere in a step drops the step, keeps no tensor of it and ends in the same bytes', async () => {
  const { folder, resolved } = tinyExperiment((yaml) =>
    yaml.replace('steps: 6\n  rows: 4\n  accumulation: 2', 'steps: 2\n  rows: 2\n  accumulation: 4'),
  );
  assert.equal(resolved.training.accumulation, 4);
  const expected = await run(resolved, newFolder(folder, 'whole'));
  const quiet = { ...resolved, evaluation: { ...resolved.evaluation, before: false } };
  // A step tells that it begins four micro-batches, and the end of each of their attacks' iterations.
  const each = 4 * (1 + resolved.attack.iterations);
  for (let asked = 1; asked < 2 * each; asked += 3) {
    const pieces = newFolder(folder, `at ${asked}`);
    const before = tf.memory().numTensors;
    const stop = new AbortController();
    const told: StepProgress[] = [];
    const onProgress = (progress: StepProgress) => {
      if (told.push(progress) === asked) stop.abort();
    };
    assert.equal(await startRun(pieces, quiet, about, { signal: stop.signal, onProgress }), 'stopped');
    assert.equal(told.length, asked);
    assert.equal(tf.memory().numTensors, before);
    assert.equal(readRunFolder(pieces).view.step, asked <= each ? 0 : 1);
    assert.equal(await resumeRun(pieces, about, never), 'finished');
    assert.equal(hashOf(pieces), expected);
  }
});

test('with gradient checkpointing a run has the losses that it has without, and the same bytes when it is stopped on the way', async () => {
  const losses: number[][] = [];
  for (const checkpointing of [false, true]) {
    const { folder, resolved } = tinyExperiment((yaml) =>
      yaml.replace('steps: 6', `steps: 3\n  gradientCheckpointing: ${checkpointing}`),
    );
    const whole = newFolder(folder, 'whole');
    const hash = await run(resolved, whole);
    losses.push(stepLosses(whole));
    const pieces = newFolder(folder, 'pieces');
    await inPieces(resolved, pieces, 11);
    assert.equal(hashOf(pieces), hash);
  }
  const [kept = [], anew = []] = losses;
  assert.equal(kept.length, 3);
  kept.forEach((loss, i) => {
    assert.ok(Math.abs(loss - (anew[i] as number)) < 1e-5 * Math.abs(loss), `${loss} ${anew[i]}`);
  });
});

for (const method of ['cat', 'capo', 'sft'])
  test(`a run of ${method} that is stopped again and again ends in the same bytes`, async () => {
    const { folder, resolved } = tinyExperiment((yaml) => yaml.replace('name: cat', `name: ${method}`));
    const [whole, pieces] = [newFolder(folder, 'whole'), newFolder(folder, 'pieces')];
    const expected = await run(resolved, whole);
    const sessions = await inPieces(resolved, pieces, method === 'cat' ? 3 : 11);
    assert.ok(sessions > 2, `only ${sessions} sessions`);
    assert.equal(hashOf(pieces), expected);
    assert.deepEqual(lasting(pieces), lasting(whole));
    assert.deepEqual(texts(pieces), texts(whole));
  });

/** The last text of each id. */
/** Total losses of a run's steps. */
function stepLosses(folder: string): number[] {
  const lines = readFileSync(join(folder, 'records.jsonl'), 'utf8').split('\n').filter(Boolean);
  return lines.flatMap((line) => {
    const record = JSON.parse(line) as RunRecord;
    return record.kind === 'step' ? [record.losses.total] : [];
  });
}

function texts(folder: string): { [id: string]: string } {
  const found = readFileSync(join(folder, 'texts.jsonl'), 'utf8').split('\n').filter(Boolean);
  return Object.fromEntries(found.map((line) => [(JSON.parse(line) as { id: string }).id, line]).sort());
}

test('a run that goes on with another engine is told apart, once; another number of threads is none on wasm', async () => {
  const { folder, resolved } = tinyExperiment();
  const half = newFolder(folder, 'half');
  assert.equal(await startRun(half, resolved, about, atOnce), 'stopped');
  // As if it had begun elsewhere.
  const records = join(half, 'records.jsonl');
  writeFileSync(records, readFileSync(records, 'utf8').replace('"device":"CPU', '"device":"Another CPU'));
  const warnings = () => readRunFolder(half).view.problems.filter(({ code }) => code === 'otherEngine');
  const two = { ...about, machine: { threads: 2 } };
  for (let session = 0; session < 2; session++) {
    assert.equal(await resumeRun(half, two, atOnce), 'stopped');
    assert.equal(warnings().length, 1);
  }
  assert.match(warnings()[0]?.message ?? '', /computed on wasm \(Another CPU.*\); it goes on with wasm \(CPU/);
});

test('what a killed process left beyond its last checkpoint is done again', async () => {
  const { folder, resolved } = tinyExperiment();
  const whole = newFolder(folder, 'whole');
  const expected = await run(resolved, whole);
  const killed = newFolder(folder, 'killed');
  let steps = 0;
  const stop = new AbortController();
  const links = {
    signal: stop.signal,
    onRecord: (record: RunRecord) => {
      if (record.kind === 'step' && ++steps === 3) stop.abort();
    },
  };
  assert.equal(await startRun(killed, resolved, about, links), 'stopped');
  const step = readRecords(killed).find((record) => record.kind === 'step');
  appendFileSync(join(killed, 'records.jsonl'), `${JSON.stringify({ ...step, step: 4 })}\n{"kind":"step","st`);
  writeFileSync(join(killed, 'lock.json'), '{"pid":');
  mkdirSync(join(killed, 'checkpoints', 'partial'));
  assert.equal(await resumeRun(killed, about, never), 'finished');
  assert.equal(hashOf(killed), expected);
  const seen = readRecords(killed).flatMap((record) => (record.kind === 'step' ? record.step : []));
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
});

test('two processes never write one run', async () => {
  const { folder, resolved } = tinyExperiment();
  const taken = newFolder(folder, 'taken');
  const lock = lockRun(taken);
  await assert.rejects(startRun(taken, resolved, about, never), /is writing the run/);
  lock.release();
  // A lock of a process that is no more, on this machine.
  writeFileSync(
    join(taken, 'lock.json'),
    JSON.stringify({ pid: 2 ** 22 + 1, host: (await import('node:os')).hostname() }),
  );
  lockRun(taken).release();
  assert.ok(!existsSync(join(taken, 'lock.json')));
});

test('a run takes the template that its experiment names, and is not resumed with another one', async () => {
  const { folder, resolved } = tinyExperiment((yaml) => yaml.replace('steps: 6', 'steps: 2'));
  const template = join(folder, 'mine.jinja');
  const text = "{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}";
  writeFileSync(template, text);
  const whole = newFolder(folder, 'whole');
  const hash = await run({ ...resolved, template }, whole);
  assert.notEqual(hash, await run(resolved, newFolder(folder, 'own')));
  const half = newFolder(folder, 'half');
  assert.equal(await startRun(half, { ...resolved, template }, about, atOnce), 'stopped');
  writeFileSync(template, `${text} `);
  await assert.rejects(resumeRun(half, about, never), /chat template of this run has changed/);
  writeFileSync(template, text);
  assert.equal(await resumeRun(half, about, never), 'finished');
  assert.equal(hashOf(half), hash);
});

test('a system prompt that the template does not take is said at its place in the experiment', async () => {
  const { folder, resolved } = tinyExperiment();
  const template = join(folder, 'strict.jinja');
  writeFileSync(
    template,
    "{{ raise_exception('Only users') if messages[0].role == 'system' }}{{ messages[0].content }}",
  );
  await assert.rejects(
    startRun(newFolder(folder, 'strict'), { ...resolved, template, system: 'Be good.' }, about, never),
    (error) => {
      assert.ok(error instanceof Problem);
      assert.match(error.message, /takes no system prompt: leave `system` away/);
      assert.deepEqual(error.data.at, ['system']);
      return true;
    },
  );
});

test('a run is not started over, not resumed when finished, changed or missing', async () => {
  const { folder, resolved } = tinyExperiment((yaml) => yaml.replace('steps: 6', 'steps: 1'));
  const done = newFolder(folder, 'done');
  await run(resolved, done);
  await assert.rejects(startRun(done, resolved, about, never), /already holds a run/);
  await assert.rejects(resumeRun(done, about, never), /has finished/);
  await assert.rejects(resumeRun(folder, about, never), /holds no run/);
  const half = newFolder(folder, 'half');
  assert.equal(await startRun(half, resolved, about, atOnce), 'stopped');
  appendFileSync(join(folder, 'adversarial.jsonl'), `${JSON.stringify({ prompt: 'No', target: 'No', secret: '1' })}\n`);
  await assert.rejects(resumeRun(half, about, never), /data of this run has changed/);
  assert.equal(readRunFolder(half).view.status, 'failed');
});

test('a failure stands in the records with its sentence', async () => {
  const { folder, resolved } = tinyExperiment();
  const failed = newFolder(folder, 'failed');
  const broken = { ...resolved, model: join(folder, 'nowhere') };
  await assert.rejects(startRun(failed, broken, about, never));
  const { view } = readRunFolder(failed);
  assert.equal(view.status, 'failed');
  assert.equal(view.problems.length, 1);
});

test('a whole run leaves no tensor behind', async () => {
  const { folder, resolved } = tinyExperiment((yaml) => yaml.replace('steps: 6', 'steps: 2'));
  await run(resolved, newFolder(folder, 'first'));
  const { numTensors } = tf.memory();
  await run(resolved, newFolder(folder, 'second'));
  assert.equal(tf.memory().numTensors, numTensors);
});
