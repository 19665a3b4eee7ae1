import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/random';
import { planOf } from '../../src/tensor/backend/wasm/wasmPlan';
import type { Entry, Recording } from '../../src/tensor/backend/wasm/wasmRecorder';

/** Jobs of random inputs; some belong to parts of the rows, as what they read says. */
function randomRecording(random: Random): { recording: Recording; results: number[] } {
  const values: Recording['values'] = [
    { bytes: 64, argument: 0 },
    { bytes: 8, constant: new Uint8Array(8) },
  ];
  const partOf = new Map<number, number>();
  const entries: Entry[] = [];
  for (let i = 0; i < 60; i++) {
    const reads = Array.from({ length: 1 + random.int(3) }, () => Math.max(0, values.length - 1 - random.int(12)));
    // some write once more to what is there, as the pieces of a concatenation do
    const before = random.int(8) === 0 ? entries[random.int(entries.length)] : undefined;
    const again = before?.writes[0];
    const into = again !== undefined && !entries.some(({ reads: read }) => read.includes(again)) ? [again] : [];
    const made =
      into.length > 0
        ? []
        : Array.from({ length: 1 + random.int(2) }, () => values.push({ bytes: 1 + random.int(300) }) - 1);
    const all = [...reads.filter((value) => !into.includes(value)), ...into];
    const parts = new Set(all.flatMap((value) => partOf.get(value) ?? []));
    const [found] = parts.size === 1 ? parts : [];
    const part = parts.size === 0 && random.int(4) === 0 ? random.int(3) : found;
    const writes = [...into, ...made];
    for (const value of writes) {
      if (part === undefined) partOf.delete(value);
      else partOf.set(value, part);
    }
    const tensors = [...all, ...made].map((value) => ({ name: 'x', value }));
    entries.push({
      op: 'each',
      numbers: {},
      count: 1,
      cost: 1,
      tensors,
      reads: all,
      writes,
      ...(part !== undefined && { part }),
    });
  }
  const results = [values.length - 1, values.length - 1 - random.int(20)];
  return { recording: { values, entries, checks: [] }, results: [...new Set(results)].filter((value) => value > 1) };
}

/** What each result was computed from, by running the jobs in this order on a memory of bytes, or on values of their own. */
function outcome(
  { values }: Recording,
  order: readonly Entry[],
  offsets: Map<number, number> | undefined,
  results: readonly number[],
): string[] {
  const memory = new Map<number, string>();
  const own = new Map<number, string>();
  const read = (value: number): string => {
    const offset = offsets?.get(value);
    if (offset === undefined) return own.get(value) ?? `given ${value}`;
    const { bytes } = values[value] as { bytes: number };
    const found = new Set(Array.from({ length: bytes }, (_, i) => memory.get(offset + i)));
    return found.size === 1 ? ([...found][0] ?? 'nothing') : 'torn';
  };
  const ids = new Map<Entry, number>();
  for (const entry of order) {
    ids.set(entry, entry.writes[0] as number);
    const from = entry.reads.map(read).join(',');
    for (const value of entry.writes) {
      const text = `${value}(${hash(from)})`;
      const offset = offsets?.get(value);
      if (offset === undefined) own.set(value, text);
      else for (let i = 0; i < (values[value] as { bytes: number }).bytes; i++) memory.set(offset + i, text);
    }
  }
  return results.map(read);
}

const hash = (text: string): number =>
  [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003, 7);

test('a plan computes what was recorded, in whatever order the parts run, in memory that is used again', () => {
  const random = new Random(1, 'plan');
  let [parts, saved] = [0, 0];
  for (let round = 0; round < 300; round++) {
    const { recording, results } = randomRecording(random);
    const wanted = outcome(recording, recording.entries, undefined, results);
    const { stages, offsets, bytes } = planOf(recording, results);
    for (const turn of ['first part first', 'last part first', 'by turns'] as const) {
      const order = stages.flatMap((stage) => {
        if ('all' in stage) return stage.all;
        if (turn === 'first part first') return stage.parts.flat();
        if (turn === 'last part first') return [...stage.parts].reverse().flat();
        const most = Math.max(...stage.parts.map((list) => list.length));
        return Array.from({ length: most }, (_, i) => stage.parts.flatMap((list) => list[i] ?? [])).flat();
      });
      assert.deepEqual(outcome(recording, order, offsets, results), wanted, `round ${round}, ${turn}`);
    }
    for (const [value, offset] of offsets) assert.ok(offset + (recording.values[value]?.bytes ?? 0) <= bytes);
    parts = Math.max(parts, ...stages.map((stage) => ('parts' in stage ? stage.parts.length : 0)));
    saved += [...offsets.keys()].reduce((sum, value) => sum + (recording.values[value]?.bytes ?? 0), 0) - bytes;
  }
  assert.ok(parts > 1 && saved > 0, 'no parts, or no memory used twice: this tests nothing');
});

test('what nobody asks for is not computed', () => {
  const { recording } = randomRecording(new Random(2, 'plan'));
  assert.deepEqual(planOf(recording, []), { stages: [], offsets: new Map(), bytes: 0 });
});
