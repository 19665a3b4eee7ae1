import { writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../src/base/random';
import { loadAdapter } from '../src/model/adapter';
import { decode, embed, logits } from '../src/model/decoder';
import { freeAdapter } from '../src/model/lora';
import { openModel } from '../src/model/openModel';
import { startEngine } from '../src/tensor/engine';

// Writes what our decoder computes with a model folder and a PEFT adapter, for scripts/checkPeft.py to compare:
//   npx tsx scripts/writeLogits.ts MODEL ADAPTER OUT.json
// OUT.json: { ids: rows of token ids, logits: per row, flat [length, V], base: the same without the adapter }

async function main([modelFolder, adapterFolder, out]: string[]): Promise<void> {
  if (!modelFolder || !adapterFolder || !out) throw new Error('usage: writeLogits MODEL ADAPTER OUT.json');
  await startEngine({ engine: 'auto', threads: 1 });
  const model = await openModel(modelFolder);
  const adapter = loadAdapter(adapterFolder, model.config);
  const random = new Random(1, 'writeLogits');
  const rows = [5, 17, 40].map((length) =>
    Array.from({ length: Math.min(length, model.config.maxPositions) }, () => random.int(model.config.vocabularySize)),
  );
  const compute = (ids: number[], run?: { adapter: typeof adapter }) =>
    tf.tidy(() => {
      const embeddings = embed(model.weights, tf.tensor2d(ids, [1, ids.length], 'int32'));
      const { hidden } = decode(model, model.weights, { embeddings }, run);
      return Array.from(logits(model.config, model.weights, tf.reshape(hidden, [ids.length, -1])).dataSync());
    });
  const result = {
    ids: rows,
    logits: rows.map((ids) => compute(ids, { adapter })),
    base: rows.map((ids) => compute(ids)),
  };
  writeFileSync(out, JSON.stringify(result));
  freeAdapter(adapter);
  model.close();
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
