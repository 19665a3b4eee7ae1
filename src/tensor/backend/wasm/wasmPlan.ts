import type { Entry, Recording } from './wasmRecorder';

/** In which order the jobs of a recording run, and where the values stand that it computes for itself. */
export interface Plan {
  /** One behind the other: jobs that all threads do, or of each part its own, side by side. */
  stages: ({ all: Entry[] } | { parts: Entry[][] })[];
  /** Byte offsets in the memory that all functions share, by the number of the value. */
  offsets: Map<number, number>;
  bytes: number;
}

/** When a job runs, the same time for those that run side by side; and its place among those of its own part. */
type Times = Map<Entry, { time: number; place: number }>;

const ALIGNED = 64;

/** Plans a recording whose results are these values. */
export function planOf({ entries: all, values }: Recording, results: readonly number[]): Plan {
  const entries = needed(all, results);
  const stageOf = stages(entries);
  const stageCount = Math.max(-1, ...stageOf) + 1;
  const planned: Plan['stages'] = [];
  const times: Times = new Map();
  let [time, place] = [0, 0];
  for (let stage = 0; stage < stageCount; stage++) {
    const here = entries.filter((_, i) => stageOf[i] === stage);
    if (here.length === 0) continue;
    if (stage % 2 === 0) {
      for (const entry of here) times.set(entry, { time: time++, place: place++ });
      planned.push({ all: here });
    } else {
      for (const entry of here) times.set(entry, { time, place: place++ });
      time++;
      const parts = [...new Set(here.map(({ part }) => part))];
      planned.push({ parts: parts.map((part) => here.filter((entry) => entry.part === part)) });
    }
  }
  return { stages: planned, ...memory({ entries, values, times }, new Set(results)) };
}

/** Without those that compute what nobody asks for. */
function needed(entries: readonly Entry[], results: readonly number[]): Entry[] {
  const asked = new Set(results);
  const kept: Entry[] = [];
  for (const entry of [...entries].reverse()) {
    if (!entry.writes.some((value) => asked.has(value))) continue;
    for (const value of entry.reads) asked.add(value);
    kept.push(entry);
  }
  return kept.reverse();
}

/** Even stages are everybody's, in odd ones every part goes its way: by turns, no earlier than what they need. */
function stages(entries: readonly Entry[]): number[] {
  const ready = new Map<number, { stage: number; part: number | undefined }>();
  return entries.map(({ part, reads, writes }) => {
    let stage = part === undefined ? 0 : 1;
    for (const value of reads) {
      const from = ready.get(value);
      if (from) stage = Math.max(stage, from.stage + (from.part === part ? 0 : 1));
    }
    for (const value of writes) ready.set(value, { stage, part });
    return stage;
  });
}

interface Lifetime {
  value: number;
  bytes: number;
  from: number;
  to: number;
}

/** A part's own values share memory as its jobs follow one another, the others as the stages do. */
function memory(
  { entries, values, times }: { entries: readonly Entry[]; values: Recording['values']; times: Times },
  results: ReadonlySet<number>,
): Pick<Plan, 'offsets' | 'bytes'> {
  const lifetimes = new Map<number, Lifetime & { parts: Set<number | undefined>; own: { from: number; to: number } }>();
  for (const entry of entries) {
    const { time, place } = times.get(entry) ?? { time: 0, place: 0 };
    for (const value of [...entry.reads, ...entry.writes]) {
      const { bytes, argument, constant } = values[value] as Recording['values'][number];
      if (argument !== undefined || constant || results.has(value)) continue;
      const known = lifetimes.get(value) ?? {
        ...{ value, bytes, from: time, to: time },
        ...{ parts: new Set<number | undefined>(), own: { from: place, to: place } },
      };
      known.from = Math.min(known.from, time);
      known.to = Math.max(known.to, time);
      known.own = { from: Math.min(known.own.from, place), to: Math.max(known.own.to, place) };
      known.parts.add(entry.part);
      lifetimes.set(value, known);
    }
  }
  const regions = new Map<number | undefined, Lifetime[]>();
  for (const { parts, own, ...common } of lifetimes.values()) {
    const [part] = parts.size === 1 ? parts : [undefined];
    const region = regions.get(part) ?? [];
    region.push(part === undefined ? common : { ...common, ...own });
    regions.set(part, region);
  }
  const offsets = new Map<number, number>();
  let bytes = 0;
  for (const region of regions.values()) {
    const placed = placeAll(region);
    for (const [value, offset] of placed.offsets) offsets.set(value, bytes + offset);
    bytes += placed.bytes;
  }
  return { offsets, bytes };
}

/** Each at the lowest place that is free while it lives. */
function placeAll(lifetimes: readonly Lifetime[]): { offsets: Map<number, number>; bytes: number } {
  const offsets = new Map<number, number>();
  let living: { at: number; end: number; to: number }[] = [];
  let most = 0;
  for (const { value, bytes, from, to } of [...lifetimes].sort((a, b) => a.from - b.from)) {
    living = living.filter((other) => other.to >= from);
    const size = Math.ceil(bytes / ALIGNED) * ALIGNED;
    let at = 0;
    for (const other of living) {
      if (other.at - at >= size) break;
      at = Math.max(at, other.end);
    }
    offsets.set(value, at);
    living.push({ at, end: at + size, to });
    living.sort((a, b) => a.at - b.at);
    most = Math.max(most, at + size);
  }
  return { offsets, bytes: most };
}
