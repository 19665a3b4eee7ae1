import * as tf from '@tensorflow/tfjs-core';

/** What is used of the package's backend: it takes a program as data. */
interface Backend {
  runWebGPUProgram(program: Program, inputs: tf.TensorInfo[], dtype: tf.DataType): tf.TensorInfo;
  disposeData(data: object): boolean;
}
type Kernel = (args: { inputs: tf.NamedTensorInfoMap; backend: Backend }) => tf.TensorInfo;
interface Program {
  variableNames: string[];
  outputShape: number[];
  shaderKey: string;
  workgroupSize: [number, number, number];
  dispatchLayout: { x: number[] };
  dispatch: [number, number, number];
  /** The number of elements is told to the shader, as uniforms.size. */
  size: true;
  getUserCode(): string;
}

const WORKGROUP = 128;

/**
 * sin and cos of any angle up to 2e5. The angle is brought to [-pi / 4, pi / 4] by subtracting k times pi / 2, whose first three parts have
 * seven bits each, so that their products with k (17 bits) are exact; there Taylor's series is exact to float32.
 */
const TURN = `
fn turned(x : f32, quarter : i32) -> f32 {
  let k = round(x * 0.6366197723675814);
  let r = (((x - k * 1.5625) - k * 0.0081787109375) - k * 0.00011730194091796875) - k * 3.139164786504813e-7;
  let z = r * r;
  let q = (i32(k) + quarter) & 3;
  let sine = r + r * z * (-1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z * (1.0 / 362880.0))));
  let cosine = 1.0 - 0.5 * z + z * z * (1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40320.0 - z * (1.0 / 3628800.0))));
  let value = select(sine, cosine, (q & 1) == 1);
  return select(value, -value, q >= 2);
}
`;

function turn(x: tf.TensorInfo, name: string, quarter: 0 | 1): Program {
  const { shape } = x;
  return {
    variableNames: ['A'],
    outputShape: shape,
    shaderKey: `sparring_${name}`,
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: shape.map((_, i) => i) },
    dispatch: [Math.ceil(tf.util.sizeFromShape(shape) / WORKGROUP), 1, 1],
    size: true,
    getUserCode: () => `${TURN}
      fn main(index : i32) {
        if (index < uniforms.size) {
          setOutputAtIndex(index, turned(getAByOutputIndex(index), ${quarter}));
        }
      }`,
  };
}

/**
 * Replaces the package's sin and cos, which are those of the device: WebGPU lets them be off by 2^-11 near 0 and by anything far from it
 * (measured on SwiftShader: 2e-4), and positions are turned by up to thousands of radians.
 */
function mendTurns(): void {
  for (const [name, quarter] of [
    ['Sin', 0],
    ['Cos', 1],
  ] as const)
    replace(name, ({ inputs, backend }) => {
      const { x } = inputs as { x: tf.TensorInfo };
      return backend.runWebGPUProgram(turn(x, name, quarter), [x], 'float32');
    });
}

/** The package's sum of many tensors reads all of them in one shader, and a device allows eight buffers (one is the result). */
function mendAddN(): void {
  const MOST = 7;
  const original = tf.getKernel('AddN', 'webgpu')?.kernelFunc as unknown as Kernel;
  replace('AddN', ({ inputs, backend }) => {
    const terms = inputs as unknown as tf.TensorInfo[];
    const add = (few: tf.TensorInfo[]) => original({ inputs: few as unknown as tf.NamedTensorInfoMap, backend });
    let sum = add(terms.slice(0, MOST));
    for (let next = MOST; next < terms.length; next += MOST - 1) {
      const before = sum;
      sum = add([before, ...terms.slice(next, next + MOST - 1)]);
      backend.disposeData(before.dataId);
    }
    return sum;
  });
}

function replace(name: string, kernel: Kernel): void {
  tf.unregisterKernel(name, 'webgpu');
  tf.registerKernel({ kernelName: name, backendName: 'webgpu', kernelFunc: kernel as unknown as tf.KernelFunc });
}

/** Replaces kernels of the package that are not exact enough or fail where training uses them, from outside the package. */
export function mendWebgpuKernels(): void {
  mendTurns();
  mendAddN();
}
