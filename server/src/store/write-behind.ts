/**
 * Write-behind: a commit is one small append to a journal; the tables follow later, many commits at once, so that a task
 * which was submitted, ran and ended in between costs one row instead of three writes. Invariant: tables + journal = all
 * that was committed. What only the journal holds is pending; every read of the tables settles first or asks `task`.
 */
import { TASK_STATES } from '@rma/protocol/task-state';
import { type AttemptWrite, count, type LaneDelta, type Persist } from '../core/effects.js';
import type { Lane } from '../core/lane.js';
import type { Task } from '../core/task.js';
import {
  attemptOperation,
  countOperations,
  lanesOperations,
  type Operation,
  otherOperations,
  packOperations,
  run,
  taskOperation,
  unpackOperations,
} from './operations.js';
import { type Database, isSqliteError } from './sqlite.js';
import type { Statements } from './statements.js';
import { StorageFull } from './store.js';

/** Above this many pending bytes the journal is settled: bounds memory, and the time of a start after a crash. */
const PENDING_BYTES = 524_288;
/** A commit with more payload bytes than this goes straight to the tables, rather than to the disk twice. */
const DIRECT_BYTES = 131_072;

/** What the journal holds and the tables do not: counts summed up, each task's latest row, the rest in order. */
class Pending {
  readonly tasks = new Map<
    string,
    { readonly task: Task; readonly held: Task['stored']; readonly latest: Task['stored'] }
  >();
  /** The last word on each attempt; without those that began and ended here, which get no row. */
  readonly attempts = new Map<string, AttemptWrite>();
  readonly newLanes: Lane[] = [];
  readonly laneDeltas = new Map<number, LaneDelta>();
  readonly ownerDeltas = new Map<string, number>();
  readonly endedDeltas = new Map<string, number>();
  readonly others: Operation[] = [];
  bytes = 0;
  dropsLanes = false;

  add(persist: Persist, others: readonly Operation[]): void {
    for (const task of persist.tasks) {
      const before = this.tasks.get(task.id);
      const latest = { state: task.state, attempt: task.attempt };
      this.tasks.set(task.id, { task, held: before ? before.held : task.stored, latest });
    }
    for (const [key, attempt] of persist.attempts) this.#addAttempt(key, attempt);
    this.newLanes.push(...persist.newLanes);
    for (const [lane, { queued, open }] of persist.laneDeltas) {
      const sum = this.laneDeltas.get(lane);
      if (sum) {
        sum.queued += queued;
        sum.open += open;
      } else this.laneDeltas.set(lane, { queued, open });
    }
    for (const [owner, by] of persist.ownerDeltas) count(this.ownerDeltas, owner, by);
    for (const [state, by] of persist.endedDeltas) count(this.endedDeltas, state, by);
    for (const other of others) this.others.push(other);
    this.dropsLanes ||= persist.droppedLanes.length > 0;
  }

  #addAttempt(key: string, attempt: AttemptWrite): void {
    const before = this.attempts.get(key);
    const isNew = before?.isNew ?? false;
    if (attempt.state !== 'gone') this.attempts.set(key, isNew ? { ...attempt, isNew } : attempt);
    else if (isNew) this.attempts.delete(key);
    else this.attempts.set(key, attempt);
  }

  operations(): Operation[] {
    const operations = lanesOperations(this);
    for (const { task, held } of this.tasks.values()) operations.push(taskOperation(task, held));
    for (const attempt of this.attempts.values()) operations.push(attemptOperation(attempt));
    for (const operation of countOperations(this)) operations.push(operation);
    for (const operation of this.others) operations.push(operation);
    return operations;
  }
}

export class WriteBehind {
  readonly #database: Database;
  readonly #statements: Statements;
  #pending = new Pending();
  /** The journal has rows that `#pending` does not know, of an earlier process or from before a rebuild: run those first. */
  #unread: boolean;
  /** No task id greater than this has a row: a new one needs no look-up. */
  #newestId: string;

  constructor(database: Database, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
    this.#unread = statements.anyJournal.get() !== undefined;
    this.#newestId = (statements.newestId.get() as string | null) ?? '';
  }

  /** A task's latest row, if the tables do not have it yet. */
  task(id: string): Task | undefined {
    return this.#pending.tasks.get(id)?.task;
  }

  /** Durable when it returns. @throws StorageFull; then nothing of it is, and the state is to be reloaded by `recover` */
  commit(persist: Persist, wallMs: number): void {
    this.read(() => {
      for (const task of persist.tasks) this.#expect(task);
      for (const lane of persist.laneDeltas.keys()) this.#expectLane(lane, persist.newLanes);
    });
    const others = otherOperations(persist, wallMs);
    // A new lane may reuse the key of a dropped one whose row still exists: only the journal's order is right then.
    const inOrder = persist.newLanes.length > 0 && this.#pending.dropsLanes;
    if (!inOrder && isBulk(persist)) {
      this.#pending.add(persist, others);
      this.#flush();
    } else this.#append(persist, others);
    for (const task of persist.tasks) task.stored = { state: task.state, attempt: task.attempt };
    if (inOrder) {
      this.#pending = new Pending();
      this.#unread = true;
    }
    if (inOrder || this.#pending.bytes > PENDING_BYTES) this.settle();
  }

  #append(persist: Persist, others: readonly Operation[]): void {
    const operations = lanesOperations(persist);
    for (const task of persist.tasks) operations.push(taskOperation(task, task.stored));
    for (const attempt of persist.attempts.values()) operations.push(attemptOperation(attempt));
    for (const operation of countOperations(persist)) operations.push(operation);
    for (const operation of others) operations.push(operation);
    const row = packOperations(operations);
    try {
      this.#statements.appendJournal.run(row);
    } catch (error) {
      throw asStorageFull(error);
    }
    // With unread rows before it, this one may only be run from the journal, in order.
    if (this.#unread) return;
    this.#pending.add(persist, others);
    this.#pending.bytes += row.length;
  }

  /**
   * Checks that the row has the state and attempt that the update expects. What the tables would refuse must not enter
   * the journal: it would fail at every later start. @throws Error where memory and disk disagree, which is a defect
   */
  #expect(task: Task): void {
    const { id, seq, stored } = task;
    const pending = this.#pending.tasks.get(id);
    if (stored === null) {
      const known = pending ?? (id <= this.#newestId ? this.#statements.taskById.get(id) : undefined);
      if (known) throw new Error(`invariant: the task ${id} is there already`);
      if (id > this.#newestId) this.#newestId = id;
      return;
    }
    const held = pending ? pending.latest : this.#held(seq);
    if (held?.state === stored.state && held.attempt === stored.attempt) return;
    throw new Error(
      `invariant: the task ${id} is ${held ? `${held.state}, attempt ${held.attempt}` : 'not there'} on disk, not ${stored.state}, attempt ${stored.attempt}`,
    );
  }

  #expectLane(id: number, added: readonly Lane[]): void {
    const isIt = (lane: Lane) => lane.id === id;
    if (this.#pending.newLanes.some(isIt) || added.some(isIt) || this.#statements.anyLane.get(id)) return;
    throw new Error(`invariant: there is no lane ${id} to count in`);
  }

  #held(seq: number): Task['stored'] {
    const row = this.#statements.stateOf.get(seq) as { state: number; attempt: number } | undefined;
    return row === undefined ? null : { state: TASK_STATES[row.state]!, attempt: row.attempt };
  }

  /**
   * Brings the tables up to date, and empties the journal. Only between commits: pending tasks are the core's own objects,
   * which a step has already changed when its commit begins. @throws StorageFull; then nothing is lost
   */
  settle(): void {
    if (this.#pending.bytes > 0 || this.#unread) this.#flush();
  }

  /** Probes for room: settles, and appends an empty commit. @throws StorageFull when there is no room for both */
  tryToWrite(): void {
    this.settle();
    try {
      this.#statements.appendJournal.run(packOperations([]));
    } catch (error) {
      throw asStorageFull(error);
    }
  }

  /**
   * Forgets what is pending in memory, and queries tables to which the journal was applied. That works on a full disk,
   * too: the transaction is rolled back then, and the next settling applies the journal again.
   */
  recover<T>(query: () => T): T {
    this.#pending = new Pending();
    this.#unread = true;
    return this.read(() => {
      this.#newestId = (this.#statements.newestId.get() as string | null) ?? '';
      return query();
    });
  }

  /** Queries tables that lack nothing but what `task` answers. On a full disk the journal is applied for the query only. */
  read<T>(query: () => T): T {
    if (!this.#unread) return query();
    const { begin, rollback } = this.#statements;
    begin.run();
    try {
      this.#runJournal();
      const answer = query();
      this.#finish();
      return answer;
    } finally {
      if (this.#database.inTransaction) rollback.run();
    }
  }

  #flush(): void {
    const { begin, commit, rollback } = this.#statements;
    try {
      begin.run();
      if (this.#unread) this.#runJournal();
      run(this.#statements, this.#pending.operations());
      this.#statements.emptyJournal.run();
      commit.run();
    } catch (error) {
      if (this.#database.inTransaction) rollback.run();
      throw asStorageFull(error);
    }
    this.#pending = new Pending();
    this.#unread = false;
  }

  #runJournal(): void {
    for (const row of this.#statements.readJournal.all() as Uint8Array[]) run(this.#statements, unpackOperations(row));
  }

  /** Commits the applied journal if there is room; otherwise the caller rolls back. */
  #finish(): void {
    try {
      this.#statements.emptyJournal.run();
      this.#statements.commit.run();
      this.#unread = false;
    } catch (error) {
      if (!(asStorageFull(error) instanceof StorageFull)) throw error;
    }
  }
}

/** A commit whose payload should not be written twice: to the journal and to the tables. */
function isBulk(persist: Persist): boolean {
  return persist.chunks.length > 0 || persist.dropChunks.length > 0 || payloadBytes(persist) > DIRECT_BYTES;
}

function payloadBytes(persist: Persist): number {
  let bytes = 0;
  for (const { stored, input, output } of persist.tasks) {
    bytes += (stored === null ? input.length : 0) + (output?.length ?? 0);
  }
  return bytes;
}

export function asStorageFull(error: unknown): unknown {
  const codes = ['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_SHMSIZE'];
  return isSqliteError(error) && codes.includes(error.code) ? new StorageFull(error) : error;
}
