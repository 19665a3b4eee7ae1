import * as tf from '@tensorflow/tfjs-core';

/** Tensors at any depth of plain objects and lists; the other leaves are constants of what is computed. */
export type Tree = unknown;

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

/** The tensors of a tree in the order of its parts, and what tells its form from others'. `opaque`: it holds something else as well. */
export function flatten(tree: Tree): { tensors: tf.Tensor[]; signature: string; opaque: boolean } {
  const tensors: tf.Tensor[] = [];
  const parts: string[] = [];
  let opaque = false;
  const walk = (value: Tree): void => {
    if (value instanceof tf.Tensor) {
      tensors.push(value);
      parts.push(`${value.dtype}[${value.shape}]`);
    } else if (typeof value !== 'object' || value === null)
      parts.push(typeof value === 'function' ? 'f' : String(value));
    else if (isPlain(value)) {
      parts.push('{');
      for (const [key, inner] of Object.entries(value)) {
        if (inner === undefined) continue; // as good as absent
        parts.push(key);
        walk(inner);
      }
      parts.push('}');
    } else opaque = true;
  };
  walk(tree);
  return { tensors, signature: parts.join(' '), opaque };
}

/** The same tree with other tensors, in the order in which flatten finds them. */
export function rebuild(tree: Tree, tensors: readonly tf.Tensor[]): Tree {
  let next = 0;
  const walk = (value: Tree): Tree => {
    if (value instanceof tf.Tensor) return tensors[next++];
    if (typeof value !== 'object' || value === null || !isPlain(value)) return value;
    if (Array.isArray(value)) return value.map(walk);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
  };
  return walk(tree);
}
