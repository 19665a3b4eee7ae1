import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SAMPLE_BYTES, sampleRows } from '../../src/experiment/sampleRows';
import { diskOf, resolved, SOUND, said } from './madeExperiment';

const attack = (options: string) => `${SOUND}evaluation:\n  attacks:\n    - { name: embedding, ${options} }\n`;
const rate = (metric: string, options: string) => `${SOUND}evaluation:\n  ${metric}: { ${options} }\n`;

const mistakes: readonly [string, string, readonly string[]][] = [
  [
    'no model folder',
    SOUND.replace('model: model', 'model: nowhere'),
    [
      "1:8 modelMissing There is no model folder /x/nowhere: download the model into it, or correct the path, which starts at this file's folder.",
    ],
  ],
  [
    'a file for a model',
    SOUND.replace('model: model', 'model: harm.csv'),
    [
      "1:8 modelMissing /x/harm.csv is a file: name the folder that holds the model's config.json and weights, or a .gguf file.",
    ],
  ],
  [
    'half a model',
    SOUND.replace('model: model', 'model: half'),
    [
      '1:8 modelIncomplete The model folder /x/half has no tokenizer.json, no weights (*.safetensors): it must hold a model as Hugging Face publishes it, or one .gguf file.',
    ],
  ],
  [
    'a misspelled chat template',
    `template: chat/plian.jinja\n${SOUND}`,
    ["1:11 templateMissing There is no chat template /x/chat/plian.jinja: did you mean 'plain.jinja'?"],
  ],
  [
    'a chat template that is nowhere',
    `template: zzz/zzz.jinja\n${SOUND}`,
    [
      "1:11 templateMissing There is no chat template /x/zzz/zzz.jinja: correct the path, which starts at this file's folder.",
    ],
  ],
  [
    'another kind of file as chat template',
    `template: ./notes.txt\n${SOUND}`,
    [
      "1:11 templateMissing './notes.txt' is no chat template: give a path that ends in .jinja, or the name of one of the model's templates.",
    ],
  ],
  ['a chat template as it should be', `template: chat/plain.jinja\n${SOUND}`, []],
  ['a folder with one GGUF file', SOUND.replace('model: model', 'model: quantized'), []],
  ['a GGUF file', SOUND.replace('model: model', 'model: quantized/model.gguf'), []],
  ['a chat template of the model, by its name', SOUND.replace('model: model', 'model: model\ntemplate: tools'), []],
  [
    'a misspelled data file',
    SOUND.replace('harm.csv', 'harms.csv'),
    ["4:24 dataMissing There is no data file /x/harms.csv: did you mean 'harm.csv'?"],
  ],
  [
    'a data file that is nowhere',
    SOUND.replace('harm.csv', 'zzz/zzz.csv'),
    ["4:24 dataMissing There is no data file /x/zzz/zzz.csv: correct the path, which starts at this file's folder."],
  ],
  [
    'a folder for a data file',
    SOUND.replace('harm.csv', 'model'),
    ['4:24 dataMissing /x/model is a folder: name a file in it.'],
  ],
  [
    'another kind of file',
    SOUND.replace('harm.csv', 'notes.txt'),
    ['4:24 dataFormat notes.txt is no .csv, .json or .jsonl file: convert it to one of these.'],
  ],
  [
    'no rows',
    SOUND.replace('harm.csv', 'empty.jsonl'),
    ['4:24 dataEmpty empty.jsonl holds no rows: it needs at least one.'],
  ],
  [
    'broken JSONL',
    SOUND.replace('harm.csv', 'broken.jsonl'),
    ['4:24 dataBroken broken.jsonl cannot be read as jsonl: line 2 of broken.jsonl is not JSON.'],
  ],
  [
    'JSON that is no list',
    SOUND.replace('harm.csv', 'object.json'),
    ['4:24 dataBroken object.json cannot be read as json: it must hold one list of rows: [ {...}, {...} ].'],
  ],
  [
    'columns of other names',
    SOUND.replace('harm.csv', 'Prompts.csv'),
    [
      "4:3 columnMissing Prompts.csv has no column 'prompt', which holds the prompt that must not be answered; its columns are Prompt, target_str: did you mean 'Prompt'?",
      "4:3 columnMissing Prompts.csv has no column 'target', which holds the opening of a harmful answer; its columns are Prompt, target_str: did you mean 'target_str'?",
    ],
  ],
  [
    'a named column that is not there',
    SOUND.replace('harm.csv', 'harm.csv, safe: refusal'),
    [
      "4:40 columnMissing harm.csv has no column 'refusal', which holds the safe answer; its columns are prompt, target, safe: name another one with 'safe'.",
    ],
  ],
  [
    'an empty cell',
    SOUND.replace('harm.csv', 'holes.jsonl'),
    [
      "4:3 cellEmpty Row 2 of holes.jsonl has nothing in column 'prompt', which holds the prompt that must not be answered: fill it or remove the row.",
    ],
  ],
  [
    'utility rows without an answer',
    SOUND.replace('chat.jsonl', 'holes.jsonl'),
    ["5:20 columnMissing Row 1 of holes.jsonl needs 'prompt' and 'answer', or 'text'; its columns are prompt, target."],
  ],
  [
    'an attack without its secret',
    attack('file: holes.jsonl'),
    [
      "8:7 cellEmpty Row 2 of holes.jsonl has nothing in column 'prompt', which holds the prompt that is attacked: fill it or remove the row.",
      "8:7 columnMissing holes.jsonl has no column 'secret', which holds what counts as success; its columns are prompt, target: name another one with 'secret'.",
    ],
  ],
  [
    'a rate without what its judge needs',
    rate('utility', 'file: test.jsonl'),
    [
      "7:3 columnMissing test.jsonl has no column 'answer', which holds what the judge compares the output with; its columns are prompt, target, secret: name another one with 'answer'.",
    ],
  ],
  [
    'prompts that are trained on, in an attack',
    attack('file: trained.jsonl'),
    [
      "8:32 trainedPrompts 1 of 2 prompts of trained.jsonl is also trained on (in harm.csv), first row 2: 'open the vault'. Attack other prompts, or set allowTrained to true here.",
    ],
  ],
  [
    'prompts that are trained on, in held-out wordings',
    rate('refusalHeldOut', 'file: trained.jsonl'),
    [
      "7:27 trainedPrompts 1 of 2 prompts of trained.jsonl is also trained on (in harm.csv), first row 2: 'open the vault'. Held-out wordings must be new: take them out, or measure them as evaluation.refusal.",
    ],
  ],
  [
    'utility measured on what is trained on',
    rate('utility', 'file: chat.jsonl, limit: 1'),
    [
      "7:3 cellEmpty Row 2 of chat.jsonl has nothing in column 'answer', which holds what the judge compares the output with: fill it or remove the row.",
      "7:20 warning trainedPrompts 1 of 1 prompts of chat.jsonl is also trained on (in chat.jsonl), first row 1: 'hello'. Utility is best measured on questions that are not: take them out of one of the two.",
    ],
  ],
  [
    'a utility term without rows',
    SOUND.replace('  utility: { file: chat.jsonl }\n', ''),
    [
      "2:1 utilityMissing The utility term of 'cat' has weight 1 but there are no utility rows: add data.utility, or set method.utilityWeight to 0.",
    ],
  ],
  [
    'a share that nothing obeys',
    `${SOUND.replace('cat', 'capo')}training: { adversarialShare: 0.5 }\n`,
    [
      '6:31 warning shareUnused All rows will be adversarial, because method.utilityWeight is 0: remove training.adversarialShare or set it to 1.',
    ],
  ],
  [
    'a share of nothing',
    `${SOUND}training: { adversarialShare: 0 }\n`,
    [
      '6:31 noAdversarialRows training.adversarialShare is 0, so nothing would be attacked or made safer: raise it to 0.125 or more.',
    ],
  ],
  [
    'a share that rounds to nothing',
    `${SOUND}training: { adversarialShare: 0.1, rows: 4, mix: fixed }\n`,
    [
      '6:31 noAdversarialRows training.adversarialShare times 4 rows rounds to 0, so nothing would be attacked or made safer: raise it to 0.25 or more, or raise training.rows.',
    ],
  ],
  [
    'a share of everything',
    `${SOUND}training: { adversarialShare: 1 }\n`,
    [
      '6:31 warning noUtilityRows No utility row would ever be drawn, so data.utility and method.utilityWeight have no effect and the model may forget how to answer: lower training.adversarialShare, or remove data.utility and set method.utilityWeight to 0.',
    ],
  ],
  [
    'a radius twice',
    attack('file: test.jsonl, epsilon: [0.3, 0.1, 0.3]'),
    ["8:53 epsilonTwice 'evaluation.attacks[0].epsilon' names a radius twice: keep each once."],
  ],
  [
    'radii in disorder',
    attack('file: test.jsonl, epsilon: [0.3, 0.1]'),
    [
      "8:53 warning epsilonOrder 'evaluation.attacks[0].epsilon' is not sorted: tables and curves read best from small to large.",
    ],
  ],
  [
    'two attacks with one name and radius',
    `${attack('file: test.jsonl, epsilon: 0.3')}    - { name: embedding, file: test.jsonl, epsilon: [0.1, 0.3], iterations: 1 }\n`,
    [
      "9:53 attackTwice evaluation.attacks[0] measures 'embedding' at one of these radii already, and results are kept by name and radius: give this one other radii, or remove one of the two.",
    ],
  ],
  [
    'steps and epochs',
    `${SOUND}training: { steps: 5, epochs: 2, warmupSteps: 5 }\n`,
    [
      '6:31 warning epochsUnused training.steps is given too and decides: remove one of the two.',
      '6:47 warning warmupLong The learning rate would rise during all 5 steps: make training.warmupSteps smaller.',
    ],
  ],
  [
    'measuring nothing during training',
    `${SOUND}evaluation: { every: 5 }\n`,
    [
      '6:22 warning everyUnused There is no attack to measure during training: add one under evaluation.attacks, or set evaluation.every to 0.',
    ],
  ],
];
for (const [name, text, expected] of mistakes)
  test(`said once, in the right place: ${name}`, () => assert.deepEqual(said(text), expected));

test('warnings do not stand in the way, errors do', () => {
  assert.ok(resolved(`${SOUND}training: { adversarialShare: 1 }\n`).resolved);
  assert.equal(resolved(`${SOUND}training: { adversarialShare: 0 }\n`).resolved, undefined);
});

test('what is meant is allowed: trained prompts by name, rows beyond a limit, no utility at all, safe answers left out', () => {
  assert.deepEqual(said(attack('file: trained.jsonl, allowTrained: true')), []);
  assert.deepEqual(said(attack('file: trained.jsonl, limit: 1')), []);
  assert.deepEqual(
    said(SOUND.replace('  utility: { file: chat.jsonl }\n', '').replace('cat', '{ name: cat, utilityWeight: 0 }')),
    [],
  );
  assert.deepEqual(said(SOUND.replace('  utility: { file: chat.jsonl }\n', '').replace('cat', 'capo')), []);
  assert.deepEqual(said(attack('file: ask.json, prompt: prompt, target: answer, judge: refusal')), []);
  assert.deepEqual(said(rate('leak', 'file: test.jsonl')), []);
});

test('what ships with Sparring is found, wherever the experiment file stands', () => {
  const text = SOUND.replace('harm.csv', 'builtin:keeper/data/adversarial.jsonl');
  assert.match(resolved(text).problems[0]?.message ?? '', /media\/keeper\/data\/adversarial\.jsonl/);
});

test('of a large file the whole rows at its beginning are judged', () => {
  const row = `${JSON.stringify({ prompt: 'p'.repeat(1000), target: 't' })}\n`;
  const text = row.repeat(Math.ceil(SAMPLE_BYTES / row.length) + 10);
  const disk = diskOf({
    '/big.jsonl': text,
    '/big.json': `[${row.repeat(3000)}`,
    '/big.csv': `prompt,target\n${'a,b\n'.repeat(SAMPLE_BYTES / 4)}`,
  });
  const sample = sampleRows('/big.jsonl', disk);
  assert.equal(sample?.whole, false);
  assert.ok(sample.rows.length > 1000 && sample.rows.every((it) => it['target'] === 't'));
  assert.equal(sampleRows('/big.json', disk), undefined);
  assert.equal(sampleRows('/big.csv', disk)?.columns.join(), 'prompt,target');
});
