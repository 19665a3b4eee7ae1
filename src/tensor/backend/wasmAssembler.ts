/** Code of a WebAssembly function: bytes of its binary format (https://webassembly.github.io/spec/core/binary). */
export type Code = readonly number[];

/** A function to assemble. Parameters are i32; locals are numbered after them, i32 ones first. */
export interface WasmFunction {
  name: string;
  parameters: number;
  i32: number;
  v128: number;
  body: Code;
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 127;
    rest >>= 7;
    if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) return [...bytes, low];
    bytes.push(low | 128);
  }
}

const vector = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
/** Operand of a load or store: alignment 4 bytes, then the offset added to the address. */
const at = (offset: number): number[] => [2, ...unsigned(offset)];
const EMPTY = 0x40;
const END = 0x0b;

export const number = (value: number): Code => [0x41, ...signed(value)];
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const add = (a: Code, b: Code): Code => [...a, ...b, 0x6a];
export const subtract = (a: Code, b: Code): Code => [...a, ...b, 0x6b];
export const multiply = (a: Code, b: Code): Code => [...a, ...b, 0x6c];
export const divide = (a: Code, b: Code): Code => [...a, ...b, 0x6e];
/** Of signed numbers. */
export const less = (a: Code, b: Code): Code => [...a, ...b, 0x48];
/** Of addresses. */
export const below = (a: Code, b: Code): Code => [...a, ...b, 0x49];
export const equal = (a: Code, b: Code): Code => [...a, ...b, 0x46];
export const both = (a: Code, b: Code): Code => [...a, ...b, 0x71];
/** The smaller of two signed numbers; each is evaluated twice. */
export const smaller = (a: Code, b: Code): Code => [...a, ...b, ...less(a, b), 0x1b];
/** Adds a constant to a local. */
export const advance = (local: number, by: number): Code => set(local, add(get(local), number(by)));
export const when = (condition: Code, then: Code, otherwise: Code = []): Code => [
  ...condition,
  0x04,
  EMPTY,
  ...then,
  ...(otherwise.length > 0 ? [0x05, ...otherwise] : []),
  END,
];
/** Repeats while the condition holds; it is tested before each round. */
export const repeat = (condition: Code, body: Code): Code => [
  ...[0x02, EMPTY, 0x03, EMPTY],
  ...[...condition, 0x45, 0x0d, 1],
  ...[...body, 0x0c, 0],
  ...[END, END],
];

/** Calls a function of the module by its place. */
export const call = (place: number, ...values: Code[]): Code => [...values.flat(), 0x10, ...unsigned(place)];

export const loadNumber = (address: Code, offset = 0): Code => [...address, 0x28, ...at(offset)];
export const loadFloat = (address: Code, offset = 0): Code => [...address, 0x2a, ...at(offset)];
export const storeFloat = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x38, ...at(offset)];
export const floatZero: Code = [0x43, 0, 0, 0, 0];
export const loadVector = (address: Code, offset = 0): Code => [...address, ...vector(0x00), ...at(offset)];
export const storeVector = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...vector(0x0b),
  ...at(offset),
];
/** One float in all four lanes. */
export const loadSplat = (address: Code, offset = 0): Code => [...address, ...vector(0x09), ...at(offset)];
export const vectorZero: Code = [...vector(0x0c), ...new Array<number>(16).fill(0)];
/** a * b + c in each lane: fused to one rounding where `fused` (relaxed SIMD) and the processor can, else two roundings. */
export const multiplyAdd = (a: Code, b: Code, c: Code, fused: boolean): Code =>
  fused ? [...a, ...b, ...c, ...vector(0x105)] : [...a, ...b, ...vector(0xe6), ...c, ...vector(0xe4)];

const section = (id: number, content: Code): number[] => [id, ...unsigned(content.length), ...content];
const list = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] => list([...value].map((letter) => [letter.charCodeAt(0)]));

/** A module that imports the shared memory `env.memory` (up to 4 GiB) and exports the functions. */
export function assemble(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f;
  const V128 = 0x7b;
  const types = functions.map(({ parameters }) => [0x60, ...list(new Array<Code>(parameters).fill([I32])), 0]);
  const memory = [...text('env'), ...text('memory'), 0x02, 0x03, ...unsigned(1), ...unsigned(65536)];
  const code = functions.map(({ i32, v128, body }) => {
    const locals = list([
      [...unsigned(i32), I32],
      [...unsigned(v128), V128],
    ]);
    const content = [...locals, ...body, END];
    return [...unsigned(content.length), ...content];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    ...section(2, list([memory])),
    ...section(3, list(functions.map((_, i) => unsigned(i)))),
    ...section(7, list(functions.map(({ name }, i) => [...text(name), 0x00, ...unsigned(i)]))),
    ...section(10, list(code)),
  ]);
}
