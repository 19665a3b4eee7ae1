import type { Family, LinearRole, NormPlace } from '../family';

const LINEAR: { readonly [role in LinearRole]: string } = {
  q: 'attn_q',
  k: 'attn_k',
  v: 'attn_v',
  qkv: 'attn_qkv',
  o: 'attn_output',
  gate: 'ffn_gate',
  up: 'ffn_up',
  gateUp: 'ffn_up',
  down: 'ffn_down',
};
const NORMS: { readonly [place in NormPlace]: string } = {
  beforeAttention: 'attn_norm',
  afterAttention: 'post_attention_norm',
  beforeMlp: 'ffn_norm',
  afterMlp: 'post_ffw_norm',
  q: 'attn_q_norm',
  k: 'attn_k_norm',
};

/** What a tensor of a GGUF file is: the name that transformers gives it, and its part in the model. */
export interface GgufName {
  name: string;
  role?: LinearRole;
  isNorm: boolean;
}

/** undefined for tensors that hold no weights (rope factors) and for what the family does not have. */
export function fromGgufName(gguf: string, family: Family, layers: number): GgufName | undefined {
  const whole: { readonly [name: string]: string | undefined } = {
    token_embd: family.names.embedding,
    position_embd: family.names.positions,
    output_norm: family.names.finalNorm,
    output: family.names.head,
  };
  const [, block, base, part] = /^(?:blk\.(\d{1,4})\.)?(\w+)\.(weight|bias)$/.exec(gguf) ?? [];
  if (base === undefined) return undefined;
  if (block === undefined) {
    const name = Object.hasOwn(whole, base) ? whole[base] : undefined;
    return name === undefined ? undefined : { name: `${name}.${part}`, isNorm: base === 'output_norm' };
  }
  if (Number(block) >= layers || String(Number(block)) !== block) return undefined;
  const named = (path: string | undefined) => `${family.names.layers}.${block}.${path}.${part}`;
  for (const [role, path] of Object.entries(family.linear) as [LinearRole, string][])
    if (LINEAR[role] === base) return { name: named(path), role, isNorm: false };
  for (const [place, path] of Object.entries(family.norms) as [NormPlace, string][])
    if (NORMS[place] === base) return { name: named(path), isNorm: true };
  return undefined;
}
