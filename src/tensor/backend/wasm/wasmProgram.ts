import { JOB_BYTES, type Job, placeOf, writeJob } from './wasmJobs';
import { type Plan, planOf } from './wasmPlan';
import type { WasmPool } from './wasmPool';
import type { Entry, Recording } from './wasmRecorder';

/** Memory that all functions use while they run, one after the other. */
export class Scratch {
  private room = { address: 0, bytes: 0 };

  constructor(private readonly allocate: WasmPool['allocate']) {}

  /** The address of so many bytes, which may be another one than before. */
  of(bytes: number): number {
    if (bytes > this.room.bytes) {
      if (this.room.address !== 0) this.allocate.free(this.room.address);
      this.room = { address: 0, bytes: 0 };
      this.room = { address: this.allocate.malloc(bytes + 64) >>> 0, bytes };
    }
    return Math.ceil(this.room.address / 64) * 64;
  }
}

const JOB_NUMBERS = JOB_BYTES / 4;

/** A recording as jobs in the engine's memory, and the places in them where addresses change. */
export class Program {
  private readonly address: number;
  private readonly views: { integers: Int32Array; floats: Float32Array };
  private readonly constants: number[] = [];
  /** Jobs to be done, and in how many tasks. */
  private readonly steps: { job: number; tasks: number }[] = [];
  private readonly arguments: { argument: number; places: number[] }[] = [];
  private readonly results: number[][];
  private readonly inside: { place: number; offset: number }[] = [];
  /** What must be so of an argument's values, and how many they are. */
  private readonly checks: (Recording['checks'][number] & { count: number })[];
  private readonly bytes: number;
  private roomBytes = 0;
  private scratchAt = -1;

  constructor(
    private readonly pool: WasmPool,
    private readonly scratch: Scratch,
    recording: Recording,
    results: readonly number[],
  ) {
    const plan = planOf(recording, results);
    this.bytes = plan.bytes;
    this.checks = recording.checks.map((check) => {
      const argument = recording.values.find((value) => value.argument === check.argument);
      return { ...check, count: (argument?.bytes ?? 0) / 4 };
    });
    const jobs = plan.stages.flatMap((stage) => ('all' in stage ? stage.all : stage.parts.flat()));
    const ranges = plan.stages.reduce(
      (sum, stage) => sum + ('all' in stage ? stage.all.length : stage.parts.length),
      0,
    );
    // at most as many sequences as ranges; each range is two numbers
    const numbers = (jobs.length + ranges) * JOB_NUMBERS + 2 * ranges;
    this.address = pool.allocate.malloc(numbers * 4 + 4) >>> 0;
    const buffer = pool.memory.buffer;
    const integers = new Int32Array(buffer, this.address, numbers);
    this.views = { integers, floats: new Float32Array(buffer, this.address, numbers) };
    const places = new Map<number, number[]>();
    this.write(plan, places);
    this.results = results.map((value) => places.get(value) ?? []);
    try {
      this.connect(recording.values, plan, places);
    } catch (error) {
      this.free();
      throw error;
    }
  }

  /** Notes where addresses change, and sets those of constants. */
  private connect(values: Recording['values'], plan: Plan, places: ReadonlyMap<number, number[]>): void {
    for (const [value, found] of places) {
      const { argument, constant } = values[value] as Recording['values'][number];
      const offset = plan.offsets.get(value);
      if (argument !== undefined) this.arguments.push({ argument, places: found });
      else if (constant) this.set(found, this.keep(constant));
      else if (offset !== undefined) for (const place of found) this.inside.push({ place, offset });
    }
  }

  /** Runs it on the arguments' addresses; the results are written to theirs. */
  run(argumentsAt: readonly number[], resultsAt: readonly number[]): void {
    for (const { argument, wrong, count } of this.checks) {
      const found = wrong(new Int32Array(this.pool.memory.buffer, argumentsAt[argument], count));
      if (found) throw new Error(found);
    }
    for (const { argument, places } of this.arguments) this.set(places, argumentsAt[argument] as number);
    this.results.forEach((places, i) => {
      this.set(places, resultsAt[i] as number);
    });
    const base = this.scratch.of(this.bytes);
    if (base !== this.scratchAt)
      for (const { place, offset } of this.inside) this.views.integers[place] = base + offset;
    this.scratchAt = base;
    this.pool.makeRoom(this.roomBytes);
    for (const { job, tasks } of this.steps) this.pool.execute(job, tasks);
  }

  free(): void {
    for (const address of [this.address, ...this.constants]) this.pool.allocate.free(address);
  }

  private set(places: readonly number[], address: number): void {
    for (const place of places) this.views.integers[place] = address;
  }

  private keep(constant: Uint8Array): number {
    const address = this.pool.allocate.malloc(Math.max(4, constant.length)) >>> 0;
    new Uint8Array(this.pool.memory.buffer, address, constant.length).set(constant);
    this.constants.push(address);
    return address;
  }

  private write({ stages }: Plan, places: Map<number, number[]>): void {
    const { pool, views } = this;
    let next = 0;
    const at = (place: number) => this.address + place * 4;
    const job = (entry: Entry, each: number): number => {
      const start = next;
      next += JOB_NUMBERS;
      writeJob(views, start, { ...entry, args: entry.numbers }, { each, rooms: pool.rooms });
      for (const { name, value } of entry.tensors) {
        const found = places.get(value) ?? [];
        found.push(start + placeOf(entry.op, name));
        places.set(value, found);
      }
      this.roomBytes = Math.max(this.roomBytes, pool.roomOf(at(start)));
      return at(start);
    };
    /** Jobs one behind the other, every sequence done by one thread. */
    const sequences = (lists: readonly (readonly Entry[])[]): void => {
      const written = lists.map((list) => [at(next), list.map((entry) => job(entry, entry.count)).length] as const);
      const ranges = at(next);
      for (const [first, count] of written) {
        views.integers[next++] = first;
        views.integers[next++] = count;
      }
      const start = next;
      next += JOB_NUMBERS;
      const all: Job = { op: 'sequences', args: { ranges }, count: lists.length, cost: 0 };
      writeJob(views, start, all, { each: 1, rooms: pool.rooms });
      this.steps.push({ job: at(start), tasks: lists.length });
    };
    for (const stage of stages) {
      if ('parts' in stage) {
        sequences(stage.parts);
        continue;
      }
      let small: Entry[] = [];
      const flush = () => {
        if (small.length > 0) sequences([small]);
        small = [];
      };
      for (const entry of stage.all) {
        const { each, tasks } = pool.parts({ ...entry, args: entry.numbers });
        if (tasks === 1) small.push(entry);
        else {
          flush();
          this.steps.push({ job: job(entry, each), tasks });
        }
      }
      flush();
    }
  }
}
