import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Problem } from '../../src/base/problem';
import {
  attackRows,
  computeLogits,
  createTrainer,
  embeddingGradients,
  freeAdapter,
  generate,
  loadAdapter,
  type Model,
  openModel,
  targetLosses,
} from '../../src/library/library';
import { adapterParameters } from '../../src/model/lora';
import { assertBalanced } from '../../src/tensor/memory';
import { goldenTraining } from '../attack/goldenTraining';
import { adapterFolder, farthest, golden, largest, startTestEngine, tinyFolder } from '../model/golden';

let model: Model;
before(async () => {
  await startTestEngine();
  model = await openModel(tinyFolder);
});

const { rows: ids, targetStarts, ...expected } = golden.tinyLlama;
const rows = ids.map((row, i) => ({ ids: row, labels: row.map((id, t) => (t < targetStarts[i]! ? -100 : id)) }));

test("logits, losses and gradients are PyTorch's, with and without an adapter", async () => {
  const found = await computeLogits(model, ids);
  for (const [i, values] of found.entries()) assert.ok(farthest(values, expected.logits[i]!) < 1e-4);
  const losses = await targetLosses(model, rows);
  assert.ok(Math.abs(losses.loss - expected.meanTargetLoss) < 1e-5);
  assert.ok(
    farthest(
      losses.logProbs.flatMap((values) => [...values]),
      expected.targetLogProbs,
    ) < 1e-4,
  );
  const { loss, gradients } = await embeddingGradients(model, rows);
  assert.ok(Math.abs(loss - expected.meanTargetLoss) < 1e-5);
  const most = largest(expected.embeddingGradient.flat());
  for (const [i, values] of gradients.entries())
    assert.ok(farthest(values, expected.embeddingGradient[i]!) < 1e-4 * most);
  const adapter = loadAdapter(adapterFolder, model.config);
  const adapted = await computeLogits(model, ids, { adapter });
  for (const [i, values] of adapted.entries()) assert.ok(farthest(values, golden.adapter.logits[i]!) < 1e-4);
  freeAdapter(adapter);
  // One token alone has logits too, those of its place in a longer row.
  const [alone] = await computeLogits(model, [ids[0]!.slice(0, 1)]);
  assert.ok(farthest(alone!, found[0]!.slice(0, model.config.vocabularySize)) < 1e-5);
});

test('labels are any ids at any place, as in PyTorch', async () => {
  const [row] = ids as [number[]];
  const all = await targetLosses(model, [{ ids: row }]);
  assert.equal(all.logProbs[0]?.length, row.length - 1);
  const labels = row.map((id, t) => (t % 3 === 1 ? id : -100));
  const some = await targetLosses(model, [{ ids: row, labels }]);
  const kept = [...(all.logProbs[0] ?? [])].filter((_, i) => (i + 1) % 3 === 1);
  assert.ok(farthest(some.logProbs[0] ?? [], kept) < 1e-5);
  // A label may be another id than the row's own: its log p is read off the logits before it.
  const other = await targetLosses(model, [{ ids: row, labels: row.map((_, t) => (t === 4 ? 7 : -100)) }]);
  const [logits] = await computeLogits(model, [row]);
  const before = logits!.slice(3 * model.config.vocabularySize, 4 * model.config.vocabularySize);
  const sum = Math.log(before.reduce((total, value) => total + Math.exp(value), 0));
  assert.ok(Math.abs(other.loss - (sum - before[7]!)) < 1e-5);
});

test("an attack's delta is PyTorch's, and its loss is that of the rows with the delta", async () => {
  const golden = goldenTraining.attack.find(({ options }) => options.optimizer === 'sign' && options.perturb === 'all');
  assert.ok(golden);
  const { perturb: _all, ...options } = golden.options;
  const attacked = goldenTraining.rows.map(({ prompt, target }) => ({
    ids: [...prompt, ...target],
    labels: [...prompt.map(() => -100), ...target],
  }));
  const adapter = loadAdapter(adapterFolder, model.config);
  const found = await attackRows(model, attacked, { options, adapter });
  found.deltas.forEach((delta, i) => {
    const wanted = golden.delta[i]!;
    assert.ok(farthest(delta.slice(0, wanted.length), wanted) < 1e-5);
    assert.equal(largest([0, ...delta.slice(wanted.length)]), 0);
  });
  assert.ok(Math.abs(found.lossBefore - golden.losses[0]!) < 1e-4);
  const again = await targetLosses(model, attacked, { adapter, deltas: found.deltas });
  assert.ok(Math.abs(again.loss - found.loss) < 1e-4);
  assert.ok(found.loss < found.lossBefore);
  freeAdapter(adapter);
});

test("three steps of CAT are PyTorch's", async () => {
  const { options, steps, adapterAfter } = goldenTraining.training;
  const trainer = await createTrainer(model, {
    method: { name: 'cat', ...options.method },
    attack: options.attack,
    lora: { rank: 2, alpha: 4, dropout: 0 },
    learningRate: options.learningRate,
    weightDecay: options.weightDecay,
    clipNorm: options.clipNorm,
    adapter: loadAdapter(adapterFolder, model.config),
  });
  const adversarial = goldenTraining.rows.map(({ prompt, target, safe }) => ({ prompt, harmful: target, safe }));
  for (const wanted of steps) {
    const { losses, attack, gradientNorm } = await trainer.step({ adversarial, utility: goldenTraining.utility });
    for (const [found, right] of [
      [losses.total, wanted.total],
      [losses.utility, wanted.utility],
      [attack?.before, wanted.attackLosses[0]],
      [gradientNorm, wanted.gradientNorm],
    ])
      assert.ok(Math.abs(found! - right!) < 1e-3 * Math.max(1, Math.abs(right!)), `${found} and ${right}`);
  }
  const parameters = adapterParameters(trainer.adapter);
  for (const [name, values] of Object.entries(adapterAfter['3'] ?? {}))
    assert.ok(farthest(parameters[name]!.dataSync(), values) < 1e-4, name);
  trainer.close();
});

test('CAPO and plain fine-tuning train too; generation uses the adapter', async () => {
  const adversarial = goldenTraining.rows.map(({ prompt, target, safe }) => ({ prompt, harmful: target, safe }));
  for (const name of ['capo', 'sft'] as const) {
    const trainer = await createTrainer(model, {
      method: { name },
      attack: { epsilon: 0.1, iterations: 2, stepSize: 0.1, stepSizeUnit: 'radius' },
      lora: { rank: 2, alpha: 4, dropout: 0 },
      learningRate: 0.01,
    });
    const one = { adversarial, ...(name === 'capo' ? {} : { utility: goldenTraining.utility }) };
    const first = await trainer.step(one);
    for (let i = 0; i < 4; i++) await trainer.step(one, one);
    const last = await trainer.step(one);
    assert.ok(last.losses.total < first.losses.total, `${name}: ${first.losses.total} -> ${last.losses.total}`);
    const input = { prompts: [adversarial[0]!.prompt], maxNewTokens: 4, stopIds: [] };
    const [answer] = await generate(model, { ...input, adapter: trainer.adapter });
    assert.equal(answer?.length, 4);
    trainer.close();
  }
});

test('a signal ends an attack, a generation and a training step on the way, with its reason', async () => {
  const work = async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(attackRows(model, rows, { options: { iterations: 2 }, signal }), reason);
    const stop = new AbortController();
    const tokens: number[] = [];
    const onToken = (_row: number, id: number) => {
      if (tokens.push(id) === 3) stop.abort(reason);
    };
    const input = { prompts: [ids[0]!.slice(0, 5)], maxNewTokens: 9, stopIds: [], signal: stop.signal, onToken };
    await assert.rejects(generate(model, input), reason);
    assert.equal(tokens.length, 3);

    const soon = new AbortController();
    const trainer = await createTrainer(model, { attack: { iterations: 50 }, signal: soon.signal });
    const { adapter } = trainer;
    const adversarial = goldenTraining.rows.map(({ prompt, target, safe }) => ({ prompt, harmful: target, safe }));
    const step = trainer.step({ adversarial }, { adversarial });
    setTimeout(() => soon.abort(reason), 20);
    await assert.rejects(step, reason);
    assert.equal(trainer.adapter, adapter);
    trainer.close();
  };
  await work();
  await assertBalanced(work);
});

test('nothing is left in memory but constants of the shapes', async () => {
  const work = async () => {
    await computeLogits(model, ids);
    await targetLosses(model, rows);
    await embeddingGradients(model, rows);
    const adapter = loadAdapter(adapterFolder, model.config);
    await attackRows(model, rows, { adapter, options: { iterations: 2 } });
    const trainer = await createTrainer(model, { adapter });
    const [prompt, answer] = [ids[0]!.slice(0, 5), ids[0]!.slice(5)];
    await trainer.step({ adversarial: [{ prompt, harmful: answer, safe: answer }], utility: [{ prompt, answer }] });
    trainer.close();
  };
  await work();
  await assertBalanced(work);
});

test('what is wrong with rows or options is one problem that says which', async () => {
  const says = (promise: Promise<unknown>, text: RegExp) =>
    assert.rejects(promise, (error) => error instanceof Problem && text.test(error.message));
  await says(targetLosses(model, []), /no rows/);
  await says(targetLosses(model, [{ ids: [] }]), /row 0: there are no ids/);
  await says(targetLosses(model, [{ ids: [1, 96] }]), /row 0: 96 is no token id of this model \(0 to 95\)/);
  await says(targetLosses(model, [{ ids: [1, 2], labels: [1] }]), /2 ids and 1 labels/);
  await says(targetLosses(model, [{ ids: [1, 2], labels: [1, -1] }]), /-1 is neither a token id nor -100/);
  await says(targetLosses(model, [{ ids: [1, 2], labels: [1, -100] }]), /no label is a target/);
  await says(computeLogits(model, [[1, 2]], { deltas: [new Float32Array(5)] }), /not a multiple of 16/);
  await says(attackRows(model, [{ ids: [1, 2] }], { options: { epsilon: -1 } }), /attack.epsilon/);
  await says(createTrainer(model, { lora: { rank: 0 } }), /lora.rank/);
  const trainer = await createTrainer(model);
  await says(trainer.step(), /at least one micro-batch/);
  await says(trainer.step({}), /at least one row/);
  trainer.close();
});
