import { LINEAR_ROLES, type LinearRole } from './family';
import type { DecoderConfig } from './model';

/** A linear layer of every block. */
export interface LinearLayer {
  role: LinearRole;
  /** Its path within a block, e.g. 'self_attn.q_proj'. */
  path: string;
  inputs: number;
  outputs: number;
  bias: boolean;
}

/** The linear layers of a block: their sizes, and whether they have a bias. */
export function linearLayers(config: DecoderConfig): LinearLayer[] {
  const { hiddenSize: d, intermediateSize: f, heads, keyValueHeads, headDim, family } = config;
  const [q, kv] = [heads * headDim, keyValueHeads * headDim];
  const sizes: { readonly [role in LinearRole]: readonly [number, number] } = {
    q: [d, q],
    k: [d, kv],
    v: [d, kv],
    qkv: [d, q + 2 * kv],
    o: [q, d],
    gate: [d, f],
    up: [d, f],
    gateUp: [d, 2 * f],
    down: [f, d],
  };
  const ofMlp: readonly LinearRole[] = ['gate', 'up', 'gateUp', 'down'];
  const hasBias = (role: LinearRole) => {
    if (family.bias !== 'config') return family.bias.includes(role);
    return ofMlp.includes(role) ? config.mlpBias : config.attentionBias;
  };
  return LINEAR_ROLES.flatMap((role) => {
    const path = family.linear[role];
    const [inputs, outputs] = sizes[role];
    return path === undefined ? [] : [{ role, path, inputs, outputs, bias: hasBias(role) }];
  });
}

/** The path of block `layer`'s module, as in the weight files and in PEFT's, e.g. 'model.layers.0.self_attn.q_proj'. */
export function modulePath({ family }: DecoderConfig, layer: number, path: string): string {
  return `${family.names.layers}.${layer}.${path}`;
}
