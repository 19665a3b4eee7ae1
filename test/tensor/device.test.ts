import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as tf from '@tensorflow/tfjs-core';
import { type AddonDevice, configProto } from '../../src/tensor/backend/native/addon';
import { describeDevice, whyNoGpu } from '../../src/tensor/backend/native/probeAddon';
import { LIBRARY_NAMES, librariesIn } from '../../src/tensor/backend/native/tensorFlowLibraries';
import { probeEngines, startEngine } from '../../src/tensor/engine';
import * as fused from '../../src/tensor/fused';
import { freeCompiled, jit } from '../../src/tensor/jit';
import { temporaryFolder } from '../temporaryFolder';
import { assertClose } from './close';

const skip = process.platform === 'win32';

test('what TensorFlow is asked for: memory of a GPU as it is needed, soft placement, threads, processors', () => {
  // Written out from config.proto: device_count 1, intra_op_parallelism_threads 2, gpu_options 6 (allow_growth 4), allow_soft_placement 7.
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  assert.equal(hex(configProto({})), '380132022001');
  assert.equal(hex(configProto({ threads: 1, ops: 2 })), '10012802380132022001');
  assert.equal(hex(configProto({ threads: 300 })), '10ac02380132022001');
  assert.equal(hex(configProto({ threads: 2 }, 'GPU:1')), '1002380132022001');
  assert.equal(hex(configProto({ threads: 2 }, 'CPU:1')), '0a070a0343505510021002380132022001');
});

const processor: AddonDevice = {
  name: '/job:localhost/replica:0/task:0/device:CPU:0',
  type: 'CPU',
  memory: 268435456,
  used: true,
  amx: false,
};
const gpu: AddonDevice = { ...processor, name: processor.name.replace('CPU:0', 'GPU:1'), type: 'GPU', memory: 23.6e9 };

test('a device is said with its number where it is not the first, a processor with its matrix unit, a GPU with its memory', () => {
  assert.equal(describeDevice(processor), 'CPU (TensorFlow)');
  assert.equal(describeDevice({ ...processor, amx: true }), 'CPU, AMX (TensorFlow)');
  assert.equal(describeDevice(gpu), 'GPU 1, 23.6 GB (TensorFlow)');
  assert.equal(describeDevice({ ...gpu, name: gpu.name.replace('GPU:1', 'GPU:0') }), 'GPU, 23.6 GB (TensorFlow)');
});

test('why a processor computes is said where a GPU was meant or could be had', () => {
  const loaded = { version: '2.21.0', driver: true, missing: '' };
  const cuda = ['libcudart.so.12'];
  const nothing = { ...loaded, driver: false };
  assert.equal(whyNoGpu(loaded, cuda, gpu), undefined);
  assert.equal(whyNoGpu(nothing, [], processor), undefined);
  assert.match(whyNoGpu(loaded, [], processor) ?? '', /driver is here: sparring engine install --cuda/);
  assert.match(whyNoGpu(nothing, cuda, processor) ?? '', /libcuda\.so\.1\) is not found: the processor computes/);
  const broken = { ...loaded, missing: 'libcufft.so.11: file too short' };
  assert.match(whyNoGpu(broken, cuda, processor) ?? '', /cannot be loaded \(libcufft\.so\.11: file too short\)/);
  assert.match(whyNoGpu(loaded, cuda, processor) ?? '', /found no GPU it can use.*CUDA_VISIBLE_DEVICES/);
});

test("CUDA's libraries beside the package tensorflow are found in the order in which they are loaded", { skip }, () => {
  const packages = temporaryFolder();
  const put = (...parts: string[]) => {
    const path = join(packages, ...parts);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
    return path;
  };
  for (const name of LIBRARY_NAMES) put('tensorflow', name);
  assert.deepEqual(librariesIn(packages)?.cuda, []);
  const lib = (part: string, file: string) => put('nvidia', part, 'lib', file);
  const blas = lib('cublas', 'libcublas.so.12');
  const light = lib('cublas', 'libcublasLt.so.12');
  lib('cublas', 'libnvblas.so.12');
  put('nvidia', '__init__.py');
  const runtime = lib('cuda_runtime', 'libcudart.so.12');
  const link = lib('nvjitlink', 'libnvJitLink.so.12');
  assert.deepEqual(librariesIn(packages)?.cuda, [runtime, link, light, blas]);
  assert.deepEqual(librariesIn(join(packages, 'tensorflow'))?.cuda, [runtime, link, light, blas]);
});

// A second processor is to TensorFlow what a GPU is: a device to which values are copied, and on which only its own kernels run.
const nativePath = process.env['SPARRING_NATIVE'];

test('another device than the first is taken by name, computes without the fused ops, and compiles', {
  skip: nativePath === undefined && 'SPARRING_NATIVE names no folder',
}, async () => {
  const options = { engine: 'native', threads: 1, nativePath } as const;
  const [refused] = await probeEngines({ ...options, device: 'GPU:7' });
  assert.match(refused?.refused ?? '', /no device GPU:7; it has .*CPU:0/);
  const engine = await startEngine({ ...options, device: 'CPU:1' });
  assert.equal(engine.device, 'CPU 1 (TensorFlow)');
  assert.equal(fused.hasFused(), false);
  const [a, b] = [tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])];
  await assertClose(tf.matMul(a, b), [19, 22, 43, 50], 1e-6);
  const owner = {};
  const { y } = jit(owner, 'test', { a, b }, (given) => ({ y: tf.add(tf.matMul(given.a, given.b), 1) }));
  await assertClose(y, [20, 23, 44, 51], 1e-6);
  freeCompiled(owner);
});
