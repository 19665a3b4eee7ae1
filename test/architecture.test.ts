import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { test } from 'node:test';

// The layers of docs/architecture.md: a file imports from its own folder and from the folders named here, nothing else.
const LOWER = {
  base: [],
  protocol: ['base'],
  records: ['base', 'protocol'],
  experiment: ['base', 'protocol', 'records'],
  hub: ['base'],
  tensor: ['base', 'protocol', 'records', 'experiment'],
  model: ['base', 'protocol', 'records', 'experiment', 'tensor'],
  data: ['base', 'protocol', 'records', 'experiment', 'tensor', 'model', 'attack'],
  attack: ['base', 'protocol', 'records', 'experiment', 'tensor', 'model', 'data'],
  defense: ['base', 'protocol', 'records', 'experiment', 'tensor', 'model', 'data', 'attack', 'evaluation'],
  evaluation: ['base', 'protocol', 'records', 'experiment', 'tensor', 'model', 'data', 'attack', 'defense'],
  run: ['base', 'protocol', 'records', 'experiment', 'tensor', 'model', 'data', 'attack', 'defense', 'evaluation'],
  library: ['base', 'records', 'experiment', 'tensor', 'model', 'data', 'attack', 'defense', 'run'],
  worker: [
    'base',
    'protocol',
    'records',
    'experiment',
    'tensor',
    'model',
    'data',
    'attack',
    'defense',
    'evaluation',
    'run',
    'hub',
    'library',
  ],
  editor: ['base', 'protocol', 'records', 'experiment'],
  webview: ['base/statistics', 'protocol', 'records'],
} as const satisfies Record<string, readonly string[]>;
type Layer = keyof typeof LOWER;

// Outside packages and the folders (or files) that may import them.
const PACKAGES: { readonly [name: string]: readonly string[] } = {
  '@tensorflow/tfjs-core': ['tensor', 'model', 'data', 'attack', 'defense', 'evaluation', 'run', 'library'],
  '@tensorflow/tfjs-backend-wasm': ['tensor/backend/wasm'],
  '@tensorflow/tfjs-backend-webgpu': ['tensor/backend/webgpu'],
  '@tensorflow/tfjs-core/dist/register_all_gradients': ['tensor'],
  '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend': ['tensor/backend/native'],
  '@tensorflow/tfjs-node-gpu/dist/register_all_kernels': ['tensor/backend/native'],
  zod: ['experiment', 'protocol', 'library'],
  yaml: ['experiment'],
  'csv-parse': ['data', 'experiment'],
  'csv-parse/sync': ['data', 'experiment'],
  'vscode-jsonrpc': ['worker', 'editor'],
  'vscode-jsonrpc/node': ['worker', 'editor'],
  '@huggingface/tokenizers': ['model/tokenizer'],
  '@huggingface/jinja': ['model/jinja', 'model/boundedInterpreter'],
  uplot: ['webview'],
  '@vscode/webview-ui-toolkit': ['webview/ui'],
  vscode: ['editor'],
};
const SYSTEM = ['base/files', 'hub', 'base/packageRoot', 'model', 'tensor/backend', 'data', 'run', 'worker', 'editor'];
const NODE_SYSTEM = ['node:fs', 'node:fs/promises', 'node:child_process', 'node:net'];

const root = dirname(__dirname);
const files = ['src', 'webview'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
);
/** `src/base/problem.ts` -> `base/problem`; `webview/chart.ts` -> `webview/chart`. */
const place = (file: string): string =>
  file
    .replace(/^src\//, '')
    .split(sep)
    .join('/')
    .replace(/\.ts$/, '');
const within = (name: string, allowed: readonly string[]): boolean =>
  allowed.some((it) => name === it || name.startsWith(`${it}/`));

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
    ),
  ].map((found) => (found[1] ?? found[2] ?? found[3])!);
}

test('every import keeps to the layers', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const from = place(file);
    const layer = from.split('/')[0] as Layer;
    assert.ok(layer in LOWER, `${file} stands in no known layer`);
    for (const target of importsOf(file)) {
      if (target.startsWith('.')) {
        const to = place(relative(root, normalize(join(root, dirname(file), target))));
        if (to.split('/')[0] !== layer && !within(to, LOWER[layer]) && !target.endsWith('.css'))
          wrong.push(`${file} imports ${to}`);
      } else if (target in PACKAGES) {
        if (!within(from, PACKAGES[target]!)) wrong.push(`${file} imports ${target}`);
      } else if (NODE_SYSTEM.includes(target)) {
        if (!within(from, SYSTEM)) wrong.push(`${file} imports ${target}`);
      } else if (!target.startsWith('node:') && !target.endsWith('.css'))
        wrong.push(`${file} imports ${target}, which no layer may`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no file has more than 400 lines', () => {
  const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 401);
  assert.deepEqual(long, []);
});

test('webviews never turn text into markup', () => {
  const wrong = files.filter(
    (file) =>
      file.startsWith('webview') &&
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(wrong, []);
});

test('random numbers are seeded everywhere', () => {
  const wrong = files.filter(
    (file) =>
      file.startsWith('src') &&
      !file.startsWith('src/editor') &&
      /Math\.random|tf\.random|tf\.truncatedNormal|tf\.dropout/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(wrong, []);
});

test('what exists is read: the tree has its layers', () => {
  for (const layer of Object.keys(LOWER))
    assert.ok(statSync(join(root, layer === 'webview' ? 'webview' : `src/${layer}`)).isDirectory());
});
