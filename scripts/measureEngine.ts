// How long the two steps of adversarial training take on an engine, with the Keeper: one attack iteration (forward, and the gradient with
// respect to the embeddings, 16 x 40 tokens) and one LoRA gradient (rank 16, 48 x 40 tokens); targets: the last 8 tokens of each row.
// Wall time and processor time, best and median. Run: npx tsx scripts/measureEngine.ts [wasm|native] [threads] [rounds]
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../src/base/random';
import { decode, embed, logits } from '../src/model/decoder';
import { type Adapter, adapterParameters, createAdapter, withParameters } from '../src/model/lora';
import type { Model } from '../src/model/model';
import { openModel } from '../src/model/openModel';
import { startEngine } from '../src/tensor/engine';
import { targetLogProbs } from '../src/tensor/losses';

const TOKENS = 40;
const TARGETS = 8;

/** Mean negative log-likelihood of random targets behind random tokens, as a function of the embeddings and an adapter. */
function problem(model: Model, rows: number) {
  const random = new Random(1, 'measure');
  const ids = (count: number) => Int32Array.from({ length: count }, () => random.int(model.config.vocabularySize));
  const input = tf.tensor2d(ids(rows * TOKENS), [rows, TOKENS], 'int32');
  const targets = tf.tensor1d(ids(rows * TARGETS), 'int32');
  const places = Int32Array.from({ length: rows * TARGETS }, (_, i) => {
    const row = Math.floor(i / TARGETS);
    return (row + 1) * TOKENS - TARGETS + (i % TARGETS);
  });
  const select = tf.tensor1d(places, 'int32');
  const loss = (embeddings: tf.Tensor, adapter?: Adapter): tf.Scalar => {
    const given = { embeddings: embeddings as tf.Tensor3D, select };
    const { hidden } = decode(model, model.weights, given, adapter && { adapter });
    const flat = tf.reshape(hidden, [rows * TARGETS, model.config.hiddenSize]) as tf.Tensor2D;
    return tf.neg(tf.mean(targetLogProbs(logits(model.config, model.weights, flat), targets)));
  };
  return { embeddings: tf.tidy(() => embed(model.weights, input)), loss };
}

async function measure(name: string, rounds: number, compute: () => tf.Tensor[]): Promise<void> {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const [wall, cpu] = [performance.now(), process.cpuUsage()];
    const tensors = tf.tidy(compute);
    await tensors[tensors.length - 1]?.data();
    tf.dispose(tensors);
    if (round < 0) continue;
    const { user, system } = process.cpuUsage(cpu);
    walls.push(performance.now() - wall);
    cpus.push((user + system) / 1000);
  }
  const text = (times: number[]) => {
    const sorted = times.sort((a, b) => a - b);
    return `best ${sorted[0]?.toFixed(0)} median ${sorted[sorted.length >> 1]?.toFixed(0)} ms`;
  };
  console.log(`${name}: wall ${text(walls)}, processor ${text(cpus)}`);
}

async function main(engine: 'wasm' | 'native', threads: number | undefined, rounds: number): Promise<void> {
  const started = await startEngine({ engine, threads, nativePath: process.env['SPARRING_NATIVE'] });
  console.log(`${started.name}, ${started.device}, ${started.threads} threads, Node ${process.version}`);
  const model = await openModel(join(__dirname, '../media/keeper'));
  const attack = problem(model, 16);
  await measure('attack iteration', rounds * 2, () => {
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => attack.loss(x))(attack.embeddings);
    return [value, grad];
  });
  const training = problem(model, 48);
  const adapter = createAdapter(model.config, { rank: 16, alpha: 32, dropout: 0, targets: 'all-linear' }, 1);
  const parameters = Object.entries(adapterParameters(adapter));
  await measure('LoRA gradient', rounds, () => {
    const differentiate = tf.valueAndGrads((...values: tf.Tensor[]) => {
      const given = Object.fromEntries(parameters.map(([name], i) => [name, values[i] as tf.Tensor]));
      return training.loss(training.embeddings, withParameters(adapter, given));
    });
    const { value, grads } = differentiate(parameters.map(([, tensor]) => tensor));
    return [value, ...grads];
  });
}

const [engine = 'wasm', threads, rounds = '8'] = process.argv.slice(2);
void main(engine === 'native' ? 'native' : 'wasm', threads ? Number(threads) : undefined, Number(rounds));
