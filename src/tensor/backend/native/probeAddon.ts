import type { EngineCandidate } from '../candidate';
import { runProbe } from '../runProbe';
import { type AddonDevice, addonFile, configProto, type LoadedTensorFlow } from './addon';
import type { TensorFlowLibraries } from './tensorFlowLibraries';

/** A package that was found, and what the probe said of it. */
export interface NativeCandidate extends EngineCandidate {
  /** File that `require` loads: the addon, or a package's. */
  module?: string;
  /** What the addon loads. */
  libraries?: TensorFlowLibraries;
}

/** That there is no native engine, and why. */
export const refusal = (refused: string, mend: string): NativeCandidate => ({
  name: 'native',
  found: false,
  refused,
  mend,
});

/** Loads the addon and TensorFlow given as arguments, multiplies two numbers, and says what they are, on the last line of its output. */
const ADDON_PROBE = `
try {
  const addon = require(process.argv[1]);
  const { libraries, config, cuda, wish } = JSON.parse(process.argv[2]);
  const loaded = addon.load(libraries, Uint8Array.from(config), Uint8Array.from(config), 1, cuda, wish);
  const [a, b] = [3, 4].map((x) => addon.createTensor([1, 1], 1, Float32Array.of(x)));
  const attributes = [{ name: 'T', value: 1 }, { name: 'transpose_a', value: false }, { name: 'transpose_b', value: false }];
  const [{ id }] = addon.executeOp('MatMul', attributes, [a, b], 1);
  const device = addon.devices().find((it) => it.used);
  console.log('\\n' + JSON.stringify({ product: addon.tensorDataSync(id)[0], loaded, device }));
} catch (error) {
  console.log('\\n' + JSON.stringify({ error: String(error.message ?? error) }));
}
`;

interface AddonOptions {
  threads?: number;
  device?: string;
  environment: { readonly [name: string]: string };
}

interface AddonProbe {
  error?: string;
  product?: number;
  loaded?: LoadedTensorFlow;
  device?: AddonDevice;
}

/** What our addon says of TensorFlow's libraries, in a process of its own. */
export async function probeAddon(
  libraries: TensorFlowLibraries,
  { threads, device: wish = '', environment }: AddonOptions,
): Promise<NativeCandidate> {
  const addon = addonFile();
  if (!addon)
    return refusal(
      `there is no addon for ${process.platform} on ${process.arch}`,
      'Build it from the repository: npm run build:native (a C++ compiler is all it needs).',
    );
  const argument = JSON.stringify({ ...libraries, config: [...configProto({ threads }, wish)], wish });
  const result = await runProbe<AddonProbe>(ADDON_PROBE, [addon, argument], environment);
  const known = { name: 'native', found: true, libraries, module: addon } as const;
  const { error, product, loaded, device } = result as AddonProbe;
  const again = 'Set it up again: sparring engine install; or use wasm.';
  if (error !== undefined)
    return { ...known, version: `TensorFlow in ${libraries.source}`, refused: error.split('\n')[0], mend: again };
  const described = {
    ...known,
    version: `TensorFlow ${loaded?.version}`,
    device: describeDevice(device),
    remark: loaded && whyNoGpu(loaded, libraries.cuda, device),
  };
  return product === 12 ? described : { ...described, refused: `it computed 3 x 4 = ${product}`, mend: again };
}

/** A device for people: its kind, which of them, a processor's matrix unit, and the memory of a GPU. */
export function describeDevice(device: AddonDevice | undefined): string {
  const { name = '', type = 'CPU', memory = 0, amx = false } = device ?? {};
  const index = /:(\d+)$/.exec(name)?.[1] ?? '0';
  const more = type === 'CPU' ? (amx ? ', AMX' : '') : `, ${(memory / 1e9).toFixed(1)} GB`;
  const known = [index === '0' ? '' : ` ${index}`, more];
  return `${type}${known.join('')} (TensorFlow)`;
}

/** Why a processor computes where a GPU could; undefined where one computes, or nobody asked for one and none is known. */
export function whyNoGpu(
  { driver, missing }: LoadedTensorFlow,
  cuda: readonly string[],
  device: AddonDevice | undefined,
): string | undefined {
  if (device?.type === 'GPU') return undefined;
  const fetch = 'sparring engine install --cuda';
  if (cuda.length === 0)
    return driver ? `NVIDIA's driver is here: ${fetch} fetches TensorFlow with CUDA for the GPU` : undefined;
  if (!driver) return "CUDA is set up, but NVIDIA's driver (libcuda.so.1) is not found: the processor computes";
  if (missing) return `CUDA's libraries cannot be loaded (${missing}): the processor computes. Mend: ${fetch}`;
  return 'TensorFlow found no GPU it can use (an older driver, or CUDA_VISIBLE_DEVICES): the processor computes. TF_CPP_MIN_LOG_LEVEL=0 makes it say why';
}
