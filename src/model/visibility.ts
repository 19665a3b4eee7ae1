import * as tf from '@tensorflow/tfjs-core';
import { hasFused } from '../tensor/fused';
import { causalMask } from './attention';
import { constantsOf } from './constants';
import type { DecoderInput } from './decoder';
import type { DecoderConfig } from './model';
import { compactRope, type RopeRange, ropeTables } from './rope';

/** What is added to the scores, [1 or B, 1, T, S]; none where every query sees every key. */
function maskOf(config: DecoderConfig, input: DecoderInput, past: number, windowed: boolean): tf.Tensor4D | undefined {
  const length = input.embeddings.shape[1];
  const seen = past + length;
  const window = windowed && config.window && config.window < seen ? config.window : undefined;
  const causal = length > 1 || window ? causalMask(config, length, past, window) : undefined;
  if (!input.mask) return causal;
  const given = tf.reshape(input.mask, [-1, 1, length, seen]) as tf.Tensor4D;
  // A row is one piece without gaps, so that distances of places are distances of positions. minimum: twice masked stays finite.
  return window && causal ? (tf.minimum(given, causal) as tf.Tensor4D) : given;
}

/** What limits what a query sees: places of a cache with room, a mask, or for the fused softmax the places alone. */
export function visibility(config: DecoderConfig, input: DecoderInput, past: number, windowed: boolean) {
  if (input.room) return { places: windowed ? input.room.windowed : input.room.full };
  if (!hasFused() || (input.mask && !input.holes)) return { mask: maskOf(config, input, past, windowed) };
  const [none] = constantsOf(config).get('no hole', () => [tf.tensor2d([0, 0], [1, 2], 'int32')]);
  const length = input.embeddings.shape[1];
  return {
    causal: { length, past, window: windowed ? (config.window ?? 0) : 0, holes: input.holes ?? (none as tf.Tensor2D) },
  };
}

export function ropeOf(config: DecoderConfig, range: RopeRange, windowed: boolean) {
  const own = windowed ? config.windowRope : undefined;
  const rope = own ?? config.rope;
  const name = own ? 'window' : 'full';
  if (hasFused()) return { compact: compactRope(config, name, rope, range) };
  return { rope: rope && ropeTables(config, name, rope, range) };
}
