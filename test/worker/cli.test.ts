import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { sourceCli, sparring } from '../run/killedRuns';
import { tinyExperiment } from '../run/tinyExperiment';

/** Runs `sparring <args>` to its end. */
async function cli(...args: string[]): Promise<{ code: number | string; output: string }> {
  const session = sparring(sourceCli, args);
  const code = await session.ended;
  return { code, output: session.output() };
}

test('run, report, and what a run prints', async () => {
  const { folder, file } = tinyExperiment((yaml) =>
    yaml.replace('steps: 6', 'steps: 2').replace('every: 2', 'every: 1'),
  );
  const { code, output } = await cli('run', file, '--seed', '9');
  assert.equal(code, 0, output);
  for (const line of [
    /Started \S+-seed9: cat on tinyLlama, 2 steps, wasm/,
    /step 2\/2 {2}loss /,
    /before: leak /,
    /after: attack success of embedding at 0\.3/,
    /Finished after/,
    /before +n +after +n/,
    /Report: .*report\.html/,
  ])
    assert.match(output, line);
  assert.doesNotMatch(output, /undefined|NaN|\[object/);
  const runs = join(folder, 'runs', 'tiny');
  const [run] = readdirSync(runs);
  assert.ok(run);
  assert.equal(JSON.parse(readFileSync(join(runs, run, 'summary.json'), 'utf8')).seed, 9);
  assert.ok(!existsSync(join(runs, run, 'worker.json')), 'the address of the worker was left behind');
  const report = await cli('report', join(runs, run));
  assert.equal(report.code, 0, report.output);
  assert.match(report.output, /# tiny: cat/);
});

test('a bad file: every problem at once, each with its place, and exit code 1', async () => {
  const { file } = tinyExperiment();
  const broken = file.replace('tiny.', 'broken.');
  const text = readFileSync(file, 'utf8')
    .replace('iterations: 2', 'itertions: 2')
    .replace('learningRate: 0.01', 'learningRate: fast');
  writeFileSync(broken, text);
  for (const command of ['check', 'run']) {
    const { code, output } = await cli(command, broken);
    assert.equal(code, 1, output);
    assert.match(output, /broken\.sparring\.yaml:\d+:\d+: .*itertions.*iterations/);
    assert.match(output, /broken\.sparring\.yaml:\d+:\d+: .*(learningRate|number)/);
    assert.doesNotMatch(output, /at .*\.ts:/);
  }
  assert.ok(!existsSync(join(dirname(file), 'runs')), 'a broken file made a run folder');
});

test('a missing file, a missing model, no run: one sentence each, without a stack', async () => {
  const { folder, file } = tinyExperiment();
  const noModel = file.replace('tiny.', 'noModel.');
  writeFileSync(noModel, readFileSync(file, 'utf8').replace(/model: .*/, 'model: ./nowhere'));
  const wrong: [string[], RegExp, number][] = [
    [['run', join(folder, 'none.sparring.yaml')], /Cannot read .*none\.sparring\.yaml: there is no such file\./, 1],
    [['check', noModel], /noModel\.sparring\.yaml:1:\d+: .*nowhere/, 1],
    [['report', folder], /holds no run/, 1],
    [['resume', folder], /holds no run/, 1],
    [['tune'], /There is no command tune/, 2],
    [['demo', 'dpo'], /There is no example dpo; there are capo, cat, sft\./, 2],
  ];
  for (const [args, message, expected] of wrong) {
    const { code, output } = await cli(...args);
    assert.equal(code, expected, output);
    assert.match(output, message);
    assert.doesNotMatch(output, /\n\s+at /, output);
  }
});

test('Ctrl-C ends the run at a step with exit code 130, and it resumes', async () => {
  const { folder, file } = tinyExperiment((yaml) =>
    yaml.replace('steps: 6', 'steps: 400').replace('every: 2', 'every: 300'),
  );
  const runs = join(folder, 'runs', 'tiny');
  const session = sparring(sourceCli, ['run', file, '--run-id', 'one']);
  let over = false;
  void session.ended.then(() => {
    over = true;
  });
  while (!over && !/step 3\/400/.test(session.output())) await setTimeout(20);
  session.child.kill('SIGINT');
  assert.equal(await session.ended, 130, session.output());
  assert.match(session.output(), /Stopping; once more ends at once/);
  assert.match(session.output(), /Stopped\. Go on with: sparring resume /);
  const records = readFileSync(join(runs, 'one', 'records.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = records.at(-1);
  assert.equal(last.kind, 'stopped');
  assert.ok(last.step >= 3 && last.step < 400);
  assert.ok(existsSync(join(runs, 'one', 'checkpoints', `step-${last.step}`)));
  assert.ok(!existsSync(join(runs, 'one', 'lock.json')) && !existsSync(join(runs, 'one', 'worker.json')));
});

test('help and version', async () => {
  assert.match((await cli('--help')).output, /sparring run FILE/);
  assert.match((await cli('--version')).output, /^\d+\.\d+\.\d+\n$/);
});
