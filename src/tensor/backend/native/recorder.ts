import type { Addon, AddonTensor, OpAttribute } from './addon';

/** Recorded values have numbers from here on, so that no real tensor has them. */
const FIRST = 2 ** 40;
/** Values made while recording that are no larger become part of the function; larger ones stay tensors that it captures. */
const MOST_CONSTANT = 4096;

/**
 * Stands between the kernels and the addon: while a recording goes on, ops are written down instead of run, with the shapes that TensorFlow
 * infers. Tensors made of JavaScript values are made all the same, since they may be used later, too.
 */
export class Recorder {
  private recording:
    | {
        sizes: Map<number, { dtype: number; shape: readonly number[]; small: boolean }>;
        known: Map<number, number>;
        captured: number[];
        inputs: number[];
        chained: boolean;
      }
    | undefined;
  private paused = 0;

  constructor(
    private readonly addon: Addon,
    /** Type and shape of a real tensor. */
    private readonly described: (id: number) => { dtype: number; shape: readonly number[] },
  ) {}

  get active(): boolean {
    return this.recording !== undefined && this.paused === 0;
  }

  isRecorded(id: number): boolean {
    return id >= FIRST;
  }

  /** Ops inside run at once, on real tensors only: for what outlives the recording. */
  outside<T>(work: () => T): T {
    this.paused++;
    try {
      return work();
    } finally {
      this.paused--;
    }
  }

  start(): void {
    this.addon.recordStart();
    this.recording = { sizes: new Map(), known: new Map(), captured: [], inputs: [], chained: false };
  }

  /** An argument. */
  input(dtype: number, shape: readonly number[]): number {
    const { inputs } = this.now();
    const id = this.addon.recordInput(dtype, shape);
    inputs.push(id);
    return FIRST + id;
  }

  /** What is recorded is made of chains, one per thread. */
  chain(): void {
    this.now().chained = true;
  }

  get chained(): boolean {
    return this.active && this.recording?.chained === true;
  }

  /** A real tensor was made while recording. */
  made(id: number, dtype: number, shape: readonly number[], count: number): void {
    this.now().sizes.set(id, { dtype, shape, small: count <= MOST_CONSTANT });
  }

  run(name: string, attributes: readonly OpAttribute[], inputs: readonly number[], outputs: number): AddonTensor[] {
    const refs = inputs.map((id) => this.ref(id));
    return this.addon.recordOp(name, attributes, refs, outputs).map(({ id, ...rest }) => ({ id: FIRST + id, ...rest }));
  }

  /** The recorded value of a tensor: its own, a constant, or one that the function captures. */
  private ref(id: number): number {
    if (id >= FIRST) return id - FIRST;
    const { known, sizes, captured, inputs } = this.now();
    const found = known.get(id);
    if (found !== undefined) return found;
    const own = sizes.get(id);
    let value: number;
    if (own?.small) value = this.addon.recordConstant(id);
    else {
      const { dtype, shape } = own ?? this.described(id);
      value = this.addon.recordInput(dtype, shape);
      inputs.push(value);
      captured.push(this.addon.copyTensor(id));
    }
    known.set(id, value);
    return value;
  }

  /** Makes the function of these results, recorded or real; the numbers of the tensors that it takes besides its arguments. */
  end(name: string, outputs: readonly number[]): readonly number[] {
    const refs = outputs.map((id) => this.ref(id));
    const { inputs, captured, chained } = this.now();
    try {
      this.addon.recordEnd(name, inputs, refs, chained);
    } catch (error) {
      this.free(captured);
      throw error;
    } finally {
      this.recording = undefined;
    }
    return captured;
  }

  /** Throws away what was recorded. */
  cancel(): void {
    const { recording } = this;
    this.recording = undefined;
    if (!recording) return;
    this.addon.recordEnd('', [], [], false);
    this.free(recording.captured);
  }

  /** Forgets a function and what it captured. */
  remove({ name, captured }: { name: string; captured: readonly number[] }): void {
    this.addon.removeFunction(name);
    this.free(captured);
  }

  private free(captured: readonly number[]): void {
    for (const id of captured) this.addon.deleteTensor(id);
  }

  private now() {
    if (!this.recording) throw new Error('nothing is being recorded');
    return this.recording;
  }
}
