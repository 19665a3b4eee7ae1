import { Problem } from '../../base/problem';
import { checkFinite } from '../checkFinite';
import type { GgufFile } from './ggufSource';
import type { Metadata } from './metadata';

/** Keys that change yarn's scale in ways config.json's fields do not have, or mean otherwise; this value of each changes nothing. */
const YARN_NEUTRAL: { readonly [key: string]: number } = {
  '.rope.scaling.attn_factor': 1,
  '.rope.scaling.yarn_attn_factor': 1,
  '.rope.scaling.yarn_ext_factor': 1,
  '.rope.scaling.yarn_log_multiplier': 0,
};

/**
 * config.json's rope_scaling, out of metadata, or out of tensors that hold a factor for each of the `pairs` numbers that turn together.
 * @throws Problem `gguf` for what config.json has no word for.
 */
export function ggufRope(file: GgufFile, data: Metadata, pairs: number): { [field: string]: unknown } | undefined {
  const factors = (name: string): number[] | undefined => {
    const tensor = file.header.tensors.get(`${name}.weight`);
    if (!tensor) return undefined;
    // Looked at before it is read: a file may call a tensor of gigabytes by this name.
    if (tensor.shape.length !== 1 || tensor.shape[0] !== pairs)
      throw new Problem(
        'gguf',
        `tensor ${name}.weight has the shape [${tensor.shape}], the file's sizes ask for [${pairs}].`,
        {
          file: file.path,
        },
      );
    return Array.from(checkFinite(file.read(`${name}.weight`, tensor), `${name}.weight`, file.path));
  };
  const long = factors('rope_factors_long');
  const short = factors('rope_factors_short');
  const original = data.number('.rope.scaling.original_context_length');
  if (long && short)
    return {
      ...{ rope_type: 'longrope', long_factor: long, short_factor: short },
      original_max_position_embeddings: original,
      attention_factor: data.number('.rope.scaling.attn_factor'),
    };
  // Llama 3's scaling is written as the factor of each frequency: a longrope whose two lists are one.
  const all = factors('rope_freqs');
  if (all) return { rope_type: 'longrope', long_factor: all, short_factor: all, attention_factor: 1 };
  // llama.cpp takes a factor without a type for a linear one, and knows an older key for it.
  const type = data.optionalText('.rope.scaling.type') ?? 'linear';
  const factor = data.number('.rope.scaling.factor') ?? data.number('.rope.scale_linear');
  if (type === 'none') return undefined;
  if (type === 'linear') return factor ? without1({ rope_type: 'linear', factor }) : undefined;
  if (type !== 'yarn')
    throw data.wrong(
      '.rope.scaling.type',
      'none, linear or yarn (longrope needs its tensors of long and short factors)',
    );
  for (const [key, neutral] of Object.entries(YARN_NEUTRAL))
    if ((data.number(key) ?? neutral) !== neutral) throw data.wrong(key, `${neutral} (another is not supported)`);
  return without1({
    rope_type: 'yarn',
    factor: data.needed('.rope.scaling.factor'),
    beta_fast: data.number('.rope.scaling.yarn_beta_fast'),
    beta_slow: data.number('.rope.scaling.yarn_beta_slow'),
    original_max_position_embeddings: original,
  });
}

const without1 = <T extends { factor: number }>(scaling: T): T | undefined =>
  scaling.factor === 1 ? undefined : scaling;
