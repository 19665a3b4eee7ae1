import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../../base/problem';
import type { EngineCandidate } from '../candidate';
import { runProbe } from '../runProbe';
import { guardDevice } from './webgpuGuard';
import { mendWebgpuKernels } from './webgpuKernels';
import { webgpuFolder, webgpuIn } from './webgpuPackage';

/** The package `webgpu`, and what the probe said of it. */
export interface WebgpuCandidate extends EngineCandidate {
  /** Main file of the package. */
  module?: string;
  /** The device computes on the processor: SwiftShader, llvmpipe, WARP. */
  software?: boolean;
}

export interface WebgpuOptions {
  /** Folder that has the npm package `webgpu`; default: what was set up. Never the working folder (see NativeOptions). */
  webgpuPath?: string;
}

/** Loads the package given as argument, multiplies 3 by 4 on its device, and says what that is, on the last line of its output. */
const PROBE = `
const answer = (it) => process.stdout.write('\\n' + JSON.stringify(it) + '\\n', () => process.exit(0));
(async () => {
  const { create, globals } = await import(process.argv[1]);
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return answer({ none: true });
  const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
  const device = await adapter.requestDevice();
  const code = '@group(0) @binding(0) var<storage, read_write> x: array<f32>;' +
    '@compute @workgroup_size(1) fn main() { x[0] = x[0] * x[1]; }';
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const values = device.createBuffer({ size: 8, usage: STORAGE | COPY_SRC | COPY_DST });
  const result = device.createBuffer({ size: 8, usage: MAP_READ | COPY_DST });
  device.queue.writeBuffer(values, 0, Float32Array.of(3, 4));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer: values } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(values, 0, result, 0, 8);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(GPUMapMode.READ);
  const [product] = new Float32Array(result.getMappedRange());
  answer({ product, vendor, architecture, name, description, fallback: isFallbackAdapter === true });
})().catch((error) => answer({ error: String(error.message ?? error) }));
`;

interface ProbeAnswer {
  error?: string;
  /** There is no adapter. */
  none?: boolean;
  product?: number;
  vendor?: string;
  architecture?: string;
  name?: string;
  description?: string;
  fallback?: boolean;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;

const DRIVER =
  process.platform === 'linux'
    ? 'Install the Vulkan loader (libvulkan1 in Debian and Ubuntu) and the driver of your GPU; or use wasm.'
    : 'Install the current driver of your GPU; or use wasm.';

/**
 * What could be the webgpu engine, probed. `named`: it was asked for by name, which a software device needs; `auto` passes such a device
 * over, since wasm is quicker on a processor.
 */
export async function probeWebgpu({ webgpuPath }: WebgpuOptions, named: boolean): Promise<WebgpuCandidate> {
  const found = webgpuIn(webgpuPath ?? webgpuFolder());
  if (!found)
    return {
      name: 'webgpu',
      found: false,
      refused:
        webgpuPath === undefined
          ? 'the npm package webgpu is not set up on this machine'
          : `${resolve(webgpuPath)} has no npm package webgpu`,
      mend: 'sparring engine install --webgpu fetches it with npm (50 MB); --webgpu-path names a folder that has it (in the editor: sparring.webgpuPath).',
    };
  const url = pathToFileURL(found.module).href;
  const known = { name: 'webgpu', found: true, version: `webgpu ${found.version}`, module: found.module } as const;
  const answer: ProbeAnswer = await runProbe<ProbeAnswer>(PROBE, [url], {});
  const { error, none, product, vendor, architecture, name, description, fallback } = answer;
  if (error !== undefined)
    return {
      ...known,
      refused: error.split('\n')[0],
      mend: 'Set it up again: sparring engine install --webgpu; or use wasm.',
    };
  if (none) return { ...known, refused: 'it finds no device to compute on', mend: DRIVER };
  const software = fallback === true || [vendor, architecture, name, description].some((it) => SOFTWARE.test(it ?? ''));
  const device = `${software ? 'software device' : 'GPU'} (${description || [vendor, architecture].filter(Boolean).join(' ') || name || 'unknown'})`;
  const described = { ...known, software, device: software ? `${device}, slow; for correctness only` : device };
  if (product !== 12) return { ...described, refused: `it computed 3 x 4 = ${product}`, mend: DRIVER };
  if (!software || named) return described;
  return {
    ...described,
    refused: 'a software device is slower than wasm, so that auto passes it over',
    mend: `${DRIVER} --engine webgpu takes it as it is.`,
  };
}

interface Dawn {
  create(options: readonly string[]): object;
  globals: object;
}

let started: { threads: number } | undefined;

/**
 * Loads the package that the probe accepted and TensorFlow.js's backend over it, and makes that current. Values are read with
 * `await tensor.data()`: `dataSync` fails, since nothing in Node waits for a device.
 */
export async function startWebgpu(module: string): Promise<{ threads: number }> {
  if (started === undefined) {
    const dawn = (await import(pathToFileURL(module).href)) as Dawn;
    Object.assign(globalThis, dawn.globals);
    // Node 21 and later have a navigator of their own, which is kept but for this
    const navigator = (globalThis as { navigator?: object }).navigator ?? {};
    Object.defineProperty(navigator, 'gpu', { value: dawn.create([]), configurable: true });
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
    // looks for navigator.gpu when it is loaded, so not before
    await import('@tensorflow/tfjs-backend-webgpu');
    // It would compute small tensors in JavaScript as long as they were not on the device, so that a resumed run, whose tensors come from a
    // file, would round otherwise than the run did.
    tf.env().set('WEBGPU_CPU_FORWARD', false);
  }
  if (!(await tf.setBackend('webgpu')))
    throw new Problem('engineStart', `The webgpu engine in ${module} did not start in this process.`);
  if (started === undefined) {
    mendWebgpuKernels();
    guardDevice();
    started = { threads: 1 };
  }
  return started;
}
