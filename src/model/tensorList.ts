import { NORM_PLACES, type NormPlace } from './family';
import { linearLayers, modulePath } from './linearLayers';
import type { DecoderConfig } from './model';

/** A tensor of a model's weight files. */
export interface ListedTensor {
  name: string;
  /** As the file stores it. */
  shape: readonly number[];
  /** The module an adapter would change, where it is a linear layer's weight: [out, in], or [in, out] where `inOut`. */
  linear?: { module: string; inputs: number; outputs: number; inOut: boolean };
}

/** Numbers of the norm at a place: of the block's width, of one head, or of all heads. */
export function normSize(config: DecoderConfig, place: NormPlace): number {
  const { hiddenSize, headDim, heads, keyValueHeads, family } = config;
  if (place !== 'q' && place !== 'k') return hiddenSize;
  return family.headNorm === 'each' ? headDim : headDim * (place === 'q' ? heads : keyValueHeads);
}

/** Every tensor that a model of this config has in its files. */
export function tensorList(config: DecoderConfig): ListedTensor[] {
  const { family, hiddenSize: d, vocabularySize: v } = config;
  const { names } = family;
  const inOut = family.stored === 'inOut';
  const norm = (path: string, size: number): ListedTensor[] =>
    (family.norm === 'layer' ? ['weight', 'bias'] : ['weight']).map((part) => ({
      name: `${path}.${part}`,
      shape: [size],
    }));
  const layer = (n: number): ListedTensor[] => [
    ...NORM_PLACES.flatMap((place) => {
      const path = family.norms[place];
      return path === undefined ? [] : norm(modulePath(config, n, path), normSize(config, place));
    }),
    ...linearLayers(config).flatMap(({ path, inputs, outputs, bias }): ListedTensor[] => {
      const module = modulePath(config, n, path);
      const shape = inOut ? [inputs, outputs] : [outputs, inputs];
      const weight = { name: `${module}.weight`, shape, linear: { module, inputs, outputs, inOut } };
      return bias ? [weight, { name: `${module}.bias`, shape: [outputs] }] : [weight];
    }),
  ];
  return [
    { name: `${names.embedding}.weight`, shape: [v, d] },
    ...(names.positions ? [{ name: `${names.positions}.weight`, shape: [config.maxPositions, d] }] : []),
    ...Array.from({ length: config.layers }, (_, n) => layer(n)).flat(),
    ...norm(names.finalNorm, d),
    ...(config.tied ? [] : [{ name: `${names.head}.weight`, shape: [v, d] }]),
  ];
}

export const countOf = ({ shape }: ListedTensor): number => shape.reduce((a, b) => a * b, 1);
