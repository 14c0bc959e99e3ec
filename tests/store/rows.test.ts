/** Whatever the core hands to the store comes back as it was, through a real SQLite file. */
import { isTerminal, TASK_STATES } from '@rma/protocol/task';
import type { Task } from '@rma/server/core/task';
import type { TokenRecord } from '@rma/server/core/token';
import type { WorkerRecord } from '@rma/server/core/worker';
import { openDatabase } from '@rma/server/store/sqlite';
import { migrate, SqliteStore } from '@rma/server/store/sqlite-store';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { makeTask, NOW, persistOf, tasksOf } from './records.js';

const RUNS = { numRuns: 200 };

function openStore(): SqliteStore {
  const database = openDatabase(':memory:');
  migrate(database);
  const store = new SqliteStore(database);
  onTestFinished(() => store.close());
  return store;
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const time = fc.integer({ min: 0, max: 8_640_000_000_000 });
/** 0 for none. */
const count = fc.nat({ max: 1_000_000 });
const bytes = fc.uint8Array({ maxLength: 300 });
const labels = fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true });
const trust = fc.constantFrom('community' as const, 'trusted' as const);
const tier = fc.constantFrom(1 as const, 2 as const, 3 as const, null);
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });

const options = fc.record(
  {
    timeoutMs: fc.integer({ min: 1, max: 86_400_000 }),
    maxAttempts: fc.integer({ min: 1, max: 100 }),
    backoffMs: count,
    ttlMs: fc.integer({ min: 1, max: 2_592_000_000 }),
    notBefore: time,
    constraints: fc.record({ tier: fc.constantFrom(1, 2, 3), labels, worker: text }, { requiredKeys: [] }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** The stored fields of a task; the others are of the running process only. */
const task: fc.Arbitrary<Partial<Task>> = fc.record({
  owner: text,
  kind: text,
  lane: fc.integer({ min: 1, max: 2 ** 40 }),
  priority: fc.integer({ min: -100, max: 100 }),
  input: bytes,
  blobs: orNull(fc.array(text, { minLength: 1, maxLength: 3 })),
  options: orNull(options),
  submittedAt: time,
  state: fc.constantFrom(...TASK_STATES),
  attempt: count,
  failures: count,
  lost: count,
  worker: orNull(text),
  startedAt: time,
  endedAt: time,
  dueAt: time,
  output: orNull(bytes),
  outputBlobs: orNull(fc.array(text, { minLength: 1, maxLength: 3 })),
  error: orNull(fc.record({ code: text, message: text })),
});

/** As the core would have it: only an ended task has an end, only a waiting one has something due. */
function legal(fields: Partial<Task>): Partial<Task> {
  const { state = 'queued', endedAt = 0, dueAt = 0, output = null, outputBlobs = null, error = null } = fields;
  const none = { endedAt: 0, dueAt: 0, output: null, outputBlobs: null, error: null };
  if (state === 'succeeded') return { ...fields, ...none, endedAt: endedAt + 1, output, outputBlobs };
  if (isTerminal(state)) return { ...fields, ...none, endedAt: endedAt + 1, error };
  return { ...fields, ...none, dueAt: state === 'running' ? 0 : dueAt };
}

/** Without what is only in memory; bytes as plain arrays, since SQLite hands out Buffers. */
function plain(found: Task): unknown {
  const { stored, triedOn, lastChunk, chunkBytes, input, output, ...rest } = found;
  return { ...rest, input: Array.from(input), output: output === null ? null : Array.from(output) };
}

it('a task that is new comes back as it was', () => {
  const store = openStore();
  let seq = 0;
  fc.assert(
    fc.property(task, (fields) => {
      const written = makeTask(++seq, legal(fields));
      store.commit(tasksOf(written), NOW);
      const [found] = store.fetch([written.id]);
      expect(plain(found!)).toEqual(plain(written));
      expect(found!.stored).toEqual({ state: written.state, attempt: written.attempt });
      expect(written.stored).toEqual(found!.stored);
    }),
    RUNS,
  );
});

it('a task that changed, or ended, comes back as it is now', () => {
  const store = openStore();
  let seq = 0;
  fc.assert(
    fc.property(task, task, (before, after) => {
      const { state: first = 'queued' } = before;
      const open = isTerminal(first) ? 'running' : first;
      const written = makeTask(++seq, legal({ ...before, state: open }));
      store.commit(tasksOf(written), NOW);
      const { state, attempt, failures, lost, worker, startedAt, ...outcome } = legal(after);
      // A result ends the attempt that runs: of that nothing else changes.
      const finished = written.state === 'running' && state === 'succeeded';
      if (!finished) Object.assign(written, { attempt, failures, lost, worker, startedAt });
      const { endedAt, dueAt, output, outputBlobs, error } = outcome;
      Object.assign(written, { state, endedAt, dueAt, output, outputBlobs, error });
      store.commit(tasksOf(written), NOW);
      expect(plain(store.fetch([written.id])[0]!)).toEqual(plain(written));
    }),
    RUNS,
  );
});

const hardware = fc.record({
  os: text,
  arch: text,
  cpu: fc.record({ model: text, logicalCores: fc.double({ min: 0.1, max: 512, noNaN: true }) }),
  memory: fc.record({ totalMiB: count }),
  disk: fc.record({ freeGiB: fc.nat(), totalGiB: fc.nat() }),
  gpus: fc.array(fc.record({ index: fc.nat({ max: 255 }), name: text, vendor: text, vramMiB: count }), {
    maxLength: 2,
  }),
  container: fc.boolean(),
  notes: fc.array(text, { maxLength: 3 }),
});

const worker: fc.Arbitrary<WorkerRecord> = fc.record({
  id: fc.string({ minLength: 1 }),
  joinKey: text,
  joinToken: text,
  owner: text,
  trust,
  joinedAt: time,
  name: text,
  labels,
  givenName: fc.option(text),
  givenLabels: fc.option(labels),
  tier,
  pinnedTier: tier,
  reasons: fc.array(text, { maxLength: 3 }),
  hardware,
  available: fc.array(fc.record({ workload: text, kinds: fc.array(text), cores: count, memoryMiB: count }), {
    maxLength: 2,
  }),
  instance: text,
  agentVersion: text,
  lastSeenAt: time,
  draining: fc.boolean(),
  revokedAt: time,
});

it('a worker comes back as it was, and as it is after a change', () => {
  fc.assert(
    fc.property(worker, worker, (first, second) => {
      const store = openStore();
      for (const record of [first, { ...second, id: first.id }]) {
        store.commit(persistOf({ workers: new Set([record]) }), NOW);
        expect(store.load().workers).toEqual([record]);
      }
    }),
    { numRuns: 50 },
  );
});

const token: fc.Arbitrary<TokenRecord> = fc.record({
  id: fc.string({ minLength: 1 }),
  role: fc.constantFrom('admin' as const, 'client' as const, 'join' as const, 'worker' as const),
  name: text,
  subject: text,
  owner: text,
  trust,
  createdAt: time,
  expiresAt: time,
  usesLeft: fc.integer({ min: -1, max: 1_000_000 }),
  revokedAt: time,
  lastUsedAt: time,
});

it('a token comes back as it was, and as it is after a change', () => {
  fc.assert(
    fc.property(token, token, (first, second) => {
      const store = openStore();
      for (const record of [first, { ...second, id: first.id }]) {
        store.commit(persistOf({ tokens: new Set([record]) }), NOW);
        expect(store.load().tokens).toEqual([record]);
      }
    }),
    { numRuns: 50 },
  );
});
