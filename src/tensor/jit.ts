import * as tf from '@tensorflow/tfjs-core';
import { nextTurn } from '../base/nextTurn';
import { type RecordingBackend, recordingBackend } from './backend/recording';
import { tidied } from './tidied';
import { flatten, rebuild, type Tree } from './trees';

// Compiled calls. Where the native engine is current, a function of tensors is recorded when it is first called with some shapes: its
// kernels are written down as a TensorFlow function with TensorFlow's own inference of shapes, without being run. One call of that
// function does what hundreds of ops did, from the first call on, since it may round otherwise than they do: a run that was resumed must
// give the bits of one that was not. On other engines the function is simply called.

interface Compiled {
  backend: RecordingBackend;
  name: string;
  captured: readonly number[];
  /** Puts the results together from the arguments and what the function gave. */
  assemble(args: readonly tf.Tensor[], outputs: readonly tf.Tensor[]): Tree;
  outputs: number;
}
/** Compiled, or why it cannot be. */
type Entry = { refused: string } | Compiled;

export interface JitCounts {
  /** Functions recorded, and calls of them. */
  recorded: number;
  calls: number;
  /** Why functions were not compiled, each reason once. */
  refused: string[];
}

const MOST_FUNCTIONS = 64;
const caches = new WeakMap<object, Map<string, Entry>>();
const counts: JitCounts = { recorded: 0, calls: 0, refused: [] };
let made = 0;
let compiling = true;

/** Whether calls are compiled here. */
export const compiles = (): boolean => compiling && recordingBackend() !== undefined;

/** Switches compiling off and on; for tests and benchmarks that compare. */
export function setCompiling(on: boolean): void {
  compiling = on;
}

export const jitCounts = (): Readonly<JitCounts> => ({ ...counts, refused: [...counts.refused] });

/**
 * fn(args), compiled once for these shapes. `owner` holds what was compiled for it, `key` says everything that the
 * result depends on besides `args`. `fn` must read no value of a tensor, and its numbers may depend on its arguments' leaves only.
 */
export function jit<Args extends object, Result>(
  owner: object,
  key: string,
  args: Args,
  fn: (args: Args) => Result,
): Result {
  const found = compiledFor(owner, key, args, fn);
  if (!found) return fn(args);
  const { entry, tensors } = found;
  return entry.assemble(tensors, entry.backend.call(entry.name, tensors, entry.captured, entry.outputs)) as Result;
}

/**
 * The same for a computation that takes its time: what is compiled runs beside JavaScript, and elsewhere the process's other work has its
 * turn afterwards. Results belong to whoever asked. Not inside of tf.tidy.
 * @throws the signal's reason when it is aborted: at once on the native engine's processor, elsewhere before the next computation.
 */
export async function jitAside<Args extends object, Result>(
  owner: object,
  key: string,
  args: Args,
  fn: (args: Args) => Result,
  signal?: AbortSignal,
): Promise<Result> {
  signal?.throwIfAborted();
  const found = compiledFor(owner, key, args, fn);
  if (!found) {
    const result = tidied(() => fn(args));
    await nextTurn();
    return result;
  }
  const { entry, tensors } = found;
  try {
    const outputs = await entry.backend.callAside(entry.name, tensors, entry.captured, entry.outputs, signal);
    return entry.assemble(tensors, outputs) as Result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** The function compiled for these shapes, recorded where there is none yet, and its arguments; undefined where `fn` is to be called. */
function compiledFor<Args extends object, Result>(
  owner: object,
  key: string,
  args: Args,
  fn: (args: Args) => Result,
): { entry: Compiled; tensors: readonly tf.Tensor[] } | undefined {
  const backend = recordingBackend();
  if (!backend || !compiles()) return undefined;
  const { tensors, signature, opaque } = flatten(args);
  if (opaque) return undefined;
  const cache = caches.get(owner) ?? new Map<string, Entry>();
  caches.set(owner, cache);
  const place = `${tf.getBackend()} ${key} ${signature}`;
  const found = cache.get(place);
  // A map keeps the order of insertion: the last used stands last.
  cache.delete(place);
  const entry = found ?? record(backend, args, tensors, fn);
  cache.set(place, entry);
  if (cache.size > MOST_FUNCTIONS) {
    const [unused] = cache.keys();
    if (unused !== undefined) forget(cache, unused);
  }
  if ('refused' in entry) return undefined;
  counts.calls++;
  return { entry, tensors };
}

/** Frees what was compiled for this owner. */
export function freeCompiled(owner: object): void {
  const cache = caches.get(owner);
  if (cache) for (const place of [...cache.keys()]) forget(cache, place);
  caches.delete(owner);
}

/**
 * In how many parts a function that is being recorded computes `count` rows which do not depend on one another: so many does the compiled
 * function compute side by side, each on one thread. 1 elsewhere, and where there are too few.
 */
export const partsOf = (count: number): number => recordingBackend()?.parts(count) ?? 1;

/** What is computed from this tensor alone belongs to that part. */
export const ontoPart = (part: number, tensor: tf.Tensor): void => recordingBackend()?.ontoPart(part, tensor);

/** What is being recorded is made of ops that hardly wait for one another: the compiled function runs one per thread at a time. */
export const runsSideBySide = (): void => recordingBackend()?.runsSideBySide();

/** Runs at once, also while a function is recorded: for tensors that outlive the recording. */
export function outsideRecording<T>(work: () => T): T {
  const backend = recordingBackend();
  return backend ? backend.outside(work) : work();
}

function forget(cache: Map<string, Entry>, place: string): void {
  const entry = cache.get(place);
  cache.delete(place);
  if (entry && 'name' in entry) entry.backend.remove(entry);
}

function record<Args extends object, Result>(
  backend: RecordingBackend,
  args: Args,
  tensors: readonly tf.Tensor[],
  fn: (args: Args) => Result,
): Entry {
  const name = `sparring_${made++}`;
  const engine = tf.engine();
  engine.startScope(name);
  let results: tf.Tensor[] = [];
  try {
    const inputs = backend.begin(tensors);
    const result = fn(rebuild(args, inputs) as Args);
    // An argument that comes back is the argument itself.
    results = flatten(result).tensors;
    const computed = results.filter((tensor) => !inputs.includes(tensor));
    const captured = backend.finish(name, computed);
    const from = results.map((tensor) => ({ input: inputs.indexOf(tensor), output: computed.indexOf(tensor) }));
    counts.recorded++;
    return {
      backend,
      name,
      captured,
      outputs: computed.length,
      assemble: (given, outputs) =>
        rebuild(
          result,
          from.map(({ input, output }) => (input < 0 ? outputs[output] : given[input]) as tf.Tensor),
        ),
    };
  } catch (error) {
    backend.cancel();
    dropTape(engine);
    const refused = error instanceof Error ? error.message : String(error);
    if (!counts.refused.includes(refused)) counts.refused.push(refused);
    return { refused };
  } finally {
    engine.endScope();
    // Those that were kept are not the scope's; none is of use any more.
    for (const tensor of results) if (!tensor.isDisposed) tensor.dispose();
  }
}

/** Frees what TensorFlow.js keeps for a gradient that was not taken: it does so itself only where nothing is thrown. */
function dropTape({ state }: ReturnType<typeof tf.engine>): void {
  if (state.gradientDepth > 0) return;
  for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
  state.activeTape = [];
}
