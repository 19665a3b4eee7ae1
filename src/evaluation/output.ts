import type { RunRecord, TextRecord } from '../records/record';

type Unstamped<R> = R extends RunRecord ? Omit<R, 'v' | 'time'> : never;
/** A record before the writer stamps it with version and time. */
export type NewRecord = Unstamped<RunRecord>;

/** What evaluation and training yield, to be written in this order. */
export type Output = { record: NewRecord } | { text: TextRecord };
