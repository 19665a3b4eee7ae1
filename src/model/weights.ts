import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../base/problem';
import { hasFused, type PackedWeight } from '../tensor/fused';
import { hasPanels, inPanels, type PanelWeight } from '../tensor/panels';
import { type LinearRole, NORM_PLACES, type NormPlace } from './family';
import { linearLayers, modulePath } from './linearLayers';
import type { DecoderConfig, LayerWeights, Linear, Norm, Weights } from './model';
import { freeMatrix } from './multiply';
import {
  isInJavaScript,
  ontoEngine,
  type Packed,
  type PackedValues,
  type Precision,
  pack,
  TOO_LARGE_FOR_FLOAT16,
} from './packed';
import { normSize } from './tensorList';
import type { WeightSource } from './weightSource';

/**
 * All weights, tensor by tensor; the linear layers in `precision`, tables as the file has them where that is in
 * 16 bits and `precision` is not float32, everything else in float32. The caller owns them: see freeWeights.
 * @throws Problem `weights` or what the source throws.
 */
export function loadWeights(source: WeightSource, config: DecoderConfig, precision: Precision = 'float32'): Weights {
  const made: tf.Tensor[] = [];
  const keep = <T extends tf.Tensor>(tensor: T): T => {
    made.push(tensor);
    return tensor;
  };
  const { family, hiddenSize: d, vocabularySize: v } = config;
  const { names } = family;
  const vector = (name: string, size: number) => keep(tf.tensor1d(source.read(name, [size])));
  const matrix = (name: string, rows: number, columns: number) =>
    keep(tf.tensor2d(source.read(name, [rows, columns]), [rows, columns]));
  /** A matrix that is only multiplied by, [rows, columns] in the file: as it is (`inOut`), or transposed. */
  const factor = (name: string, rows: number, columns: number, inOut = false): tf.Tensor2D | PanelWeight => {
    const values = source.read(name, [rows, columns]);
    if (!hasPanels())
      return keep(
        inOut ? tf.tensor2d(values, [rows, columns]) : tf.tensor2d(transpose(values, rows, columns), [columns, rows]),
      );
    const plain = tf.tensor2d(values, [rows, columns]);
    const laid = inPanels(plain, !inOut);
    plain.dispose();
    keep(laid.panels);
    return laid;
  };
  const held = (values: PackedValues): Packed => {
    const packed = ontoEngine(values);
    if (!isInJavaScript(packed)) made.push(packed.codes, packed.scales);
    return packed;
  };
  /** Numbers [rows, columns] that the file has in 16 bits, as they are, of that kind where one is given. */
  const asStored = (name: string, rows: number, columns: number, kind?: Precision): Packed | undefined => {
    const stored = source.sixteenBits(name);
    if (!stored || (kind && kind !== stored.kind)) return undefined;
    const codes = stored.read([rows, columns]);
    return held({ kind: stored.kind, outputs: rows, inputs: columns, codes, scales: new Float32Array(0) });
  };
  /** A table, in 16 bits where the layers have fewer bits, too, and the engine multiplies by such. */
  const table = (name: string, rows: number, columns: number): PackedWeight | undefined =>
    precision === 'float32' || !hasFused() ? undefined : (asStored(name, rows, columns) as PackedWeight | undefined);
  const linearWeight = (name: string, inputs: number, outputs: number) => {
    const inOut = family.stored === 'inOut';
    if (precision === 'float32') return inOut ? factor(name, inputs, outputs, true) : factor(name, outputs, inputs);
    const same = inOut ? undefined : asStored(name, outputs, inputs, precision);
    if (same) return same;
    const values = source.read(name, inOut ? [inputs, outputs] : [outputs, inputs]);
    if (precision === 'float16' && values.some((value) => Math.abs(value) >= TOO_LARGE_FOR_FLOAT16))
      throw new Problem('weights', `tensor ${name} has numbers beyond float16; choose precision: bfloat16.`, {
        file: source.place,
      });
    return held(pack(inOut ? transpose(values, inputs, outputs) : values, outputs, inputs, precision));
  };
  const norm = (path: string, size: number): Norm => {
    const weight = source.read(`${path}.weight`, [size]);
    if (family.norm === 'rms+1') for (let i = 0; i < size; i++) weight[i] = 1 + (weight[i] as number);
    const kept = keep(tf.tensor1d(weight));
    return family.norm === 'layer' ? { weight: kept, bias: vector(`${path}.bias`, size) } : { weight: kept };
  };
  const layer = (n: number): LayerWeights => {
    const linear: { [role in LinearRole]?: Linear } = {};
    for (const { role, path, inputs, outputs, bias } of linearLayers(config)) {
      const module = modulePath(config, n, path);
      if (!bias && source.has(`${module}.bias`))
        throw new Problem('weights', `tensor ${module}.bias is there although config.json asks for no bias.`, {
          file: source.place,
        });
      linear[role] = {
        weight: linearWeight(`${module}.weight`, inputs, outputs),
        ...(bias ? { bias: vector(`${module}.bias`, outputs) } : {}),
      };
    }
    const norms: { [place in NormPlace]?: Norm } = {};
    for (const place of NORM_PLACES) {
      const path = family.norms[place];
      if (path !== undefined) norms[place] = norm(modulePath(config, n, path), normSize(config, place));
    }
    return { norms, linear };
  };
  try {
    return {
      embedding:
        table(`${names.embedding}.weight`, v, d) ??
        (config.tied && hasPanels()
          ? factor(`${names.embedding}.weight`, v, d)
          : matrix(`${names.embedding}.weight`, v, d)),
      ...(names.positions ? { positions: matrix(`${names.positions}.weight`, config.maxPositions, d) } : {}),
      ...(config.tied ? {} : { head: table(`${names.head}.weight`, v, d) ?? factor(`${names.head}.weight`, v, d) }),
      norm: norm(names.finalNorm, d),
      layers: Array.from({ length: config.layers }, (_, n) => layer(n)),
    };
  } catch (error) {
    tf.dispose(made);
    throw error;
  }
}

export function freeWeights(weights: Weights): void {
  freeMatrix(weights.embedding);
  if (weights.head) freeMatrix(weights.head);
  weights.positions?.dispose();
  freeNorm(weights.norm);
  for (const { norms, linear } of weights.layers) {
    for (const norm of Object.values(norms)) freeNorm(norm);
    for (const { weight, bias } of Object.values(linear)) {
      freeMatrix(weight);
      bias?.dispose();
    }
  }
}

function freeNorm({ weight, bias }: Norm): void {
  tf.dispose([weight, bias ?? []]);
}

/** [rows, columns] -> [columns, rows], by blocks that fit the processor's cache. */
export function transpose(from: Float32Array, rows: number, columns: number): Float32Array {
  const to = new Float32Array(from.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block)
    for (let c0 = 0; c0 < columns; c0 += block) {
      const r1 = Math.min(rows, r0 + block);
      const c1 = Math.min(columns, c0 + block);
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c]!;
    }
  return to;
}
