import { Problem } from '../base/problem';
import type { DecoderConfig } from './model';
import { modelFiles } from './modelFiles';
import { tokenizerOf } from './openTokenizer';
import { type Precision, packedBytes } from './packed';
import { countOf, tensorList } from './tensorList';

/** What `sparring model show` tells of a model, without loading its weights. */
export interface ModelDescription {
  place: string;
  kind: 'safetensors' | 'gguf';
  config: DecoderConfig;
  /** Numbers in all, and in the linear layers. */
  parameters: number;
  linearParameters: number;
  /** Bytes that the weights take in memory. */
  bytes: { readonly [precision in Precision]: number };
  /** Names of the chat templates. */
  templates: readonly string[];
  /** Tensors in the files that no layer uses; they are left alone. */
  unused: readonly string[];
  /** What keeps the model from being opened. */
  problems: readonly Problem[];
}

/** @throws Problem where not even config.json can be understood. */
export function describeModel(place: string): ModelDescription {
  const files = modelFiles(place);
  const { config } = tokenizerOf({ ...files, templates: { named: new Map(), file: place } });
  const list = tensorList(config);
  const sum = (tensors: typeof list) => tensors.reduce((total, tensor) => total + countOf(tensor), 0);
  const parameters = sum(list);
  const linearParameters = sum(list.filter(({ linear }) => linear));
  const problems: Problem[] = [];
  const gather = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  gather(() => tokenizerOf(files));
  const source = gather(() => files.open(config));
  const names = new Set(list.map(({ name }) => name));
  const missing = source ? list.filter(({ name }) => !source.has(name)).map(({ name }) => name) : [];
  if (missing.length > 0)
    problems.push(
      new Problem('weights', `${missing.length} tensors are missing, the first is ${missing[0]}.`, { file: place }),
    );
  const unused = source?.names().filter((name) => !names.has(name)) ?? [];
  const tables = [config.family.names.embedding, config.family.names.head].map((name) => `${name}.weight`);
  const few = (kind: Exclude<Precision, 'float32'>) =>
    list.reduce((total, tensor) => {
      const stored = tables.includes(tensor.name) ? source?.sixteenBits(tensor.name)?.kind : undefined;
      const own = tensor.linear ? kind : stored;
      return total + (own ? packedBytes(countOf(tensor), own) : 4 * countOf(tensor));
    }, 0);
  const bytes = {
    float32: 4 * parameters,
    ...{ bfloat16: few('bfloat16'), float16: few('float16'), int8: few('int8'), nf4: few('nf4') },
  };
  source?.close();
  return {
    place: files.place,
    kind: files.kind,
    config,
    parameters,
    linearParameters,
    bytes,
    templates: [...files.templates.named.keys()],
    unused,
    problems,
  };
}
