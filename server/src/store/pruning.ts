/**
 * Pruning, one slice at a time: what is past its retention is found by index, and a slice ends with the row that reaches
 * its limit of rows or bytes, also in the middle of a task's chunks. What is left is what the next slice finds, so it may
 * stop anywhere. Invariant: a task's row is kept at least as long as its events.
 */
import type { Database } from './sqlite.js';
import type { Statements } from './statements.js';
import type { PruneLimits } from './store.js';

/** What a slice may still delete. */
class Budget {
  constructor(
    public rows: number,
    public bytes: number,
  ) {}

  get isSpent(): boolean {
    return this.rows <= 0 || this.bytes <= 0;
  }

  take(rows: number, bytes: number): void {
    this.rows -= rows;
    this.bytes -= bytes;
  }
}

/** In one transaction; true when there may be more. */
export function prune(database: Database, s: Statements, limits: PruneLimits): boolean {
  const budget = new Budget(limits.rows, limits.bytes);
  const events = overdueEvents(s, limits, budget);
  const chunks = voidChunks(s, budget);
  const tasks = budget.isSpent ? [] : (s.endedTasks.all(limits.endedBefore, budget.rows) as Sized[]);
  if (events === undefined && chunks.length === 0 && tasks.length === 0) return false;
  database.transaction(() => {
    // First of all: numbers must not start over once the rows with the highest ones are deleted.
    for (const name of ['seq', 'lane', 'event']) s.raise.run({ name });
    if (events !== undefined) s.dropEvents.run(events);
    for (const { seq, attempt, chunk } of chunks) {
      if (chunk === 0) s.dropVoid.run(seq);
      else s.dropChunk.run(seq, attempt, chunk);
    }
    for (const { seq, bytes } of tasks) {
      if (budget.isSpent) break;
      s.voidChunks.run(seq);
      const parts = s.dropAttempts.run(seq).changes + s.dropBlobRefs.run(seq).changes;
      s.dropTask.run(seq);
      budget.take(1 + parts, bytes);
    }
  })();
  return true;
}

interface Sized {
  readonly seq: number;
  readonly bytes: number;
}

/** The key of the last event row to delete: the oldest rows are looked at, and none behind the first that stays. */
function overdueEvents(
  s: Statements,
  { eventsBefore, maxEvents, rows }: PruneLimits,
  budget: Budget,
): number | undefined {
  const keptAfter = (s.lastEvent.get() as number) - maxEvents;
  let found: number | undefined;
  const oldest = s.oldestEvents.iterate(rows) as IterableIterator<{
    first: number;
    last: number;
    at: number;
    bytes: number;
  }>;
  for (const { first, last, at, bytes } of oldest) {
    if (at >= eventsBefore && last > keptAfter) break;
    found = first;
    budget.take(1, bytes);
    if (budget.isSpent) break;
  }
  return found;
}

interface VoidChunk {
  readonly seq: number;
  readonly attempt: number;
  /** 0: none is left of this task. */
  readonly chunk: number;
}

/** Of one task: chunks that count no more. */
function voidChunks(s: Statements, budget: Budget): VoidChunk[] {
  const next = budget.isSpent ? undefined : (s.nextVoid.get() as { seq: number; before: number } | undefined);
  if (!next) return [];
  const { seq } = next;
  const found: VoidChunk[] = [];
  const rows = s.chunksBefore.iterate(seq, next.before, budget.rows) as IterableIterator<{
    attempt: number;
    chunk: number;
    bytes: number;
  }>;
  for (const { attempt, chunk, bytes } of rows) {
    found.push({ seq, attempt, chunk });
    budget.take(1, bytes);
    if (budget.isSpent) return found;
  }
  budget.take(1, 0);
  return [...found, { seq, attempt: 0, chunk: 0 }];
}
