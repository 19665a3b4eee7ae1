import type { Family } from './family';
import type { Fields } from './fields';
import type { DecoderConfig, Rope, RopeScaling } from './model';

/**
 * Rope of the layers that see everything and of those that see a window, in either dialect of config.json (transformers'
 * modeling_rope_utils.py); undefined for learned positions.
 * @throws Problem `modelConfig`
 */
export function readRopes(fields: Fields, family: Family, headDim: number): Pick<DecoderConfig, 'rope' | 'windowRope'> {
  if (family.names.positions) return {};
  const parameters = fields.object('rope_parameters');
  if (!family.windowRope) return { rope: readRope(fields, headDim, parameters ?? fields.object('rope_scaling')) };
  // rope_parameters by kind of layer; in the older dialect the scaling is the full layers' alone.
  const full = parameters?.object('full_attention') ?? fields.object('rope_scaling');
  const sliding = parameters?.object('sliding_attention');
  return {
    rope: readRope(fields, headDim, full),
    windowRope: readRope(fields, headDim, sliding, 'rope_local_base_freq'),
  };
}

function readRope(fields: Fields, headDim: number, parameters: Fields | undefined, thetaName = 'rope_theta'): Rope {
  const theta = parameters?.has('rope_theta') ? parameters.number('rope_theta') : fields.number(thetaName);
  const share = parameters?.has('partial_rotary_factor')
    ? parameters.number('partial_rotary_factor')
    : fields.number('partial_rotary_factor', 1);
  const rotary = Math.floor(headDim * share);
  if (share > 1 || rotary < 2 || rotary % 2 !== 0)
    throw fields.wrong('partial_rotary_factor', `a share of the ${headDim} numbers of a head that is even and not 0`);
  return { theta, rotary, scaling: parameters && readScaling(fields, parameters, rotary) };
}

function readScaling(fields: Fields, parameters: Fields, rotary: number): RopeScaling | undefined {
  const type = parameters.text('rope_type', parameters.text('type', 'default'));
  const maxPositions = fields.count('max_position_embeddings');
  const originalMaxPositions = parameters.has('original_max_position_embeddings')
    ? parameters.count('original_max_position_embeddings')
    : fields.count('original_max_position_embeddings', maxPositions);
  switch (type) {
    case 'default':
    case 'none':
      return undefined;
    case 'linear':
      return { type, factor: parameters.number('factor') };
    case 'dynamic':
      if (rotary < 4) throw parameters.wrong('rope_type', 'another for heads of 2 numbers');
      return { type, factor: parameters.number('factor'), maxPositions };
    case 'llama3':
      return {
        type,
        factor: parameters.number('factor'),
        lowFrequencyFactor: parameters.number('low_freq_factor'),
        highFrequencyFactor: parameters.number('high_freq_factor'),
        originalMaxPositions,
      };
    case 'yarn':
      if (fields.text('model_type') === 'phi3') return longRope(parameters, rotary, maxPositions, originalMaxPositions);
      return {
        type,
        factor: parameters.number('factor', maxPositions / originalMaxPositions),
        attentionFactor: parameters.optional('attention_factor'),
        mscale: parameters.optional('mscale'),
        mscaleAllDim: parameters.optional('mscale_all_dim'),
        betaFast: parameters.number('beta_fast', 32),
        betaSlow: parameters.number('beta_slow', 1),
        truncate: parameters.flag('truncate', true),
        originalMaxPositions,
      };
    case 'su':
    case 'longrope':
      return longRope(parameters, rotary, maxPositions, originalMaxPositions);
  }
  throw parameters.wrong(
    parameters.has('rope_type') ? 'rope_type' : 'type',
    'one of default, linear, dynamic, llama3, yarn, longrope',
  );
}

function longRope(parameters: Fields, rotary: number, maxPositions: number, originalMaxPositions: number): RopeScaling {
  const factor = parameters.number('factor', maxPositions / originalMaxPositions);
  return {
    type: 'longrope',
    short: parameters.numbers('short_factor', rotary / 2),
    long: parameters.numbers('long_factor', rotary / 2),
    attentionFactor: parameters.number(
      'attention_factor',
      factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions)),
    ),
    originalMaxPositions,
  };
}
