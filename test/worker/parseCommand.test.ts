import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from '../../src/worker/parseCommand';

const parse = (line: string) => parseCommand(line.split(' ').filter(Boolean));

test('each command with its options', () => {
  assert.deepEqual(
    parse(
      'run a.yaml --engine wasm --threads 2 --seed 7 --steps 3 --runs out --run-id r1 --native-path n --webgpu-path w --plain',
    ),
    {
      name: 'run',
      file: 'a.yaml',
      engine: 'wasm',
      threads: 2,
      nativePath: 'n',
      webgpuPath: 'w',
      plain: true,
      seed: 7,
      steps: 3,
      runs: 'out',
      runId: 'r1',
    },
  );
  const resume = parse('resume folder');
  assert.ok(resume.name === 'resume' && resume.run === 'folder' && !resume.plain && resume.engine === undefined);
  assert.deepEqual(parse('check a.yaml'), { name: 'check', file: 'a.yaml' });
  assert.deepEqual(parse('report folder'), { name: 'report', run: 'folder' });
  assert.equal(parse('engine').name, 'engine');
  const none = { tensorflow: undefined, python: undefined, cuda: false, webgpu: false };
  const install = { name: 'engine', action: 'install', ...none };
  assert.deepEqual(parse('engine install'), install);
  assert.deepEqual(parse('engine install --webgpu'), { ...install, webgpu: true });
  const cuda = { tensorflow: '2.20.0', python: 'p', cuda: true };
  assert.deepEqual(parse('engine install --cuda --tensorflow 2.20.0 --python p'), { ...install, ...cuda });
  assert.deepEqual(parse('model show x'), { name: 'model', action: { action: 'show', model: 'x' } });
  const pull = { action: 'pull', id: 'a/b@c', file: 'x.gguf', plain: true };
  assert.deepEqual(parse('model pull a/b@c --file x.gguf --plain'), { name: 'model', action: pull });
  const exported = { action: 'export', model: 'x', to: 'y', adapter: 'z', dtype: 'F32' };
  const machine = { engine: 'wasm', threads: 1, nativePath: undefined, webgpuPath: undefined };
  assert.deepEqual(parse('model export x --to y --adapter z --dtype F32 --engine wasm --threads 1'), {
    name: 'model',
    action: { ...exported, ...machine },
  });
  const demo = parse('demo');
  assert.ok(demo.name === 'demo' && demo.example === 'cat');
  for (const line of ['', 'help', '--help', 'run --help']) assert.equal(parse(line).name, 'help');
  assert.equal(parse('--version').name, 'version');
});

test('wrong use is a sentence that says what is wrong', () => {
  const wrong: [string, RegExp][] = [
    ['train a.yaml', /There is no command train; there are run, demo, resume, check, report, model, engine\./],
    ['run', /sparring run needs an experiment file\./],
    ['run a.yaml b.yaml', /sparring run takes an experiment file only; what is b\.yaml\?/],
    ['run a.yaml --sed 1', /Unknown option '--sed'/],
    ['run a.yaml --seed one', /--seed must be a whole number from 0 to 4294967295, not one\./],
    ['run a.yaml --steps 0', /--steps must be a whole number from 1/],
    ['run a.yaml --engine cuda', /--engine must be auto, native, webgpu or wasm, not cuda\./],
    ['run a.yaml --run-id ../x', /--run-id must be a plain name/],
    ['check a.yaml --seed 1', /Unknown option '--seed'/],
    ['engine install --webgpu --cuda', /--webgpu takes no --tensorflow, --python or --cuda/],
    ['engine --cuda', /sparring engine list takes no --cuda/],
    ['model', /sparring model needs one of show, pull, export\./],
    ['model sell x', /sparring model needs one of show, pull, export\./],
    ['model show', /sparring model show takes one model\./],
    ['model pull a/b c/d', /sparring model pull takes one OWNER\/NAME\./],
    ['model show x --file y', /sparring model show takes no --file\./],
    ['model pull a/b --to y', /sparring model pull takes no --to\./],
    ['model export x', /sparring model export needs --to DIR/],
    ['model export x --to y --dtype I8', /--dtype must be F32, F16 or BF16, not I8\./],
  ];
  for (const [line, message] of wrong) assert.throws(() => parse(line), { name: 'Problem', message }, line);
});
