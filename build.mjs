// Bundles the extension, the command line, the library with its types and the webviews into dist/, copies the WASM binary, and fails when a bundle grows past its ceiling.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const require = createRequire(import.meta.url);
const watchless = {
  bundle: true,
  logLevel: 'warning',
  sourcemap: false,
  minify: true,
  legalComments: 'none',
  metafile: true,
};
const node = {
  ...watchless,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // the kernels of tfjs-node-gpu want no more of the union package than tfjs-core
  alias: { '@tensorflow/tfjs': '@tensorflow/tfjs-core' },
};

/** Bundle -> largest size in kB. A ceiling is raised by hand, with a reason. */
const bundles = [
  {
    out: 'dist/extension.js',
    ceiling: 900,
    options: {
      ...node,
      entryPoints: ['src/editor/extension.ts'],
      external: ['vscode'],
      // zod asks for it, and VS Code's extension host logs an error at whoever does
      define: { navigator: 'undefined' },
    },
  },
  // zod's classic API, tfjs-core with all gradients, the kernels of webgpu and the tokenizers make most of it
  {
    out: 'dist/cli.js',
    ceiling: 2800,
    options: {
      ...node,
      entryPoints: ['src/worker/cli.ts'],
      external: ['vscode'],
      banner: { js: '#!/usr/bin/env node' },
    },
  },
  // what scripts import; the panels' package leaves it out
  {
    out: 'dist/library.js',
    ceiling: 2500,
    options: { ...node, entryPoints: ['src/library/library.ts'] },
  },
  {
    out: 'dist/webview/monitor.js',
    ceiling: 500,
    options: {
      ...watchless,
      platform: 'browser',
      format: 'iife',
      target: 'es2022',
      entryPoints: ['webview/monitor.ts'],
      loader: { '.css': 'css' },
    },
  },
];

rmSync('dist', { recursive: true, force: true });
const quiet = process.argv.includes('--quiet');
for (const { out, ceiling, options } of bundles) {
  await build({ ...options, outfile: out });
  const size = Math.round(statSync(out).size / 1000);
  if (!quiet) console.log(`${out}: ${size} kB`);
  if (size > ceiling) throw new Error(`${out} has ${size} kB, its ceiling is ${ceiling} kB (build.mjs)`);
}

const wasm = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist');
mkdirSync('dist/wasm', { recursive: true });
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.library.json'], {
  stdio: 'inherit',
});
// the only one that src/tensor/backend/wasm/wasm.ts starts
copyFileSync(join(wasm, 'tfjs-backend-wasm-threaded-simd.wasm'), 'dist/wasm/tfjs-backend-wasm-threaded-simd.wasm');
