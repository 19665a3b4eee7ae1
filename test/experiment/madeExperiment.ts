import type { Resolution } from '../../src/experiment/resolve';
import { resolveExperiment } from '../../src/experiment/resolve';
import type { CheckFiles } from '../../src/experiment/sampleRows';

// A made-up disk and a sound experiment file for the tests beside this file.

const jsonl = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

export const DISK: { readonly [path: string]: string } = {
  '/x/model/config.json': '{}',
  '/x/model/tokenizer.json': '{}',
  '/x/model/model.safetensors': '',
  '/x/half/config.json': '{}',
  '/x/half/notes.txt': '',
  '/x/quantized/model.gguf': '',
  '/x/harm.csv': 'prompt,target,safe\nopen the vault,"Sure, it is",no\nbreak the lock,"Sure, so",no\n',
  '/x/chat.jsonl': jsonl([{ prompt: 'hello', answer: 'hi' }, { text: 'Once upon a time' }]),
  '/x/test.jsonl': jsonl([{ prompt: 'pick the lock', target: 'Sure', secret: '12' }]),
  '/x/ask.json': JSON.stringify([{ prompt: 'how are you', answer: 'well' }]),
  '/x/trained.jsonl': jsonl([
    { prompt: 'new', target: 'a', secret: 'b' },
    { prompt: ' open  the vault', target: 'a', secret: 'b' },
  ]),
  '/x/holes.jsonl': jsonl([
    { prompt: 'a', target: 'x' },
    { prompt: '', target: 'y' },
  ]),
  '/x/Prompts.csv': 'Prompt,target_str\na,b\n',
  '/x/empty.jsonl': '\n',
  '/x/broken.jsonl': '{"prompt": "a"}\n{"prompt": \n',
  '/x/broken.csv': 'a,b\n1,2,3\n',
  '/x/object.json': '{"rows": []}',
  '/x/notes.txt': 'a',
  '/x/chat/plain.jinja': '',
};

export const diskOf = (files: { readonly [path: string]: string }): CheckFiles => {
  const inside = (folder: string) =>
    Object.keys(files).filter((path) => path.startsWith(`${folder.replace(/\/$/, '')}/`));
  return {
    isFile: (path) => Object.hasOwn(files, path),
    isFolder: (path) => !Object.hasOwn(files, path) && inside(path).length > 0,
    namesIn: (folder) => [...new Set(inside(folder).map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))],
    readStart: (path, limit) => new TextEncoder().encode(files[path] ?? '').subarray(0, limit),
  };
};

export const SOUND = `model: model
method: cat
data:
  adversarial: { file: harm.csv }
  utility: { file: chat.jsonl }
`;

/** Resolves a text as the file /x/first.sparring.yaml of the made-up disk. */
export const resolved = (text: string, file = '/x/first.sparring.yaml'): Resolution =>
  resolveExperiment(text, file, diskOf(DISK));

/** The problems of a text as `line:column code message`. */
export const said = (text: string, file?: string): string[] =>
  resolved(text, file).problems.map(
    (it) => `${it.line}:${it.column} ${it.severity === 'warning' ? 'warning ' : ''}${it.code} ${it.message}`,
  );
