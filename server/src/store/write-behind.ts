/**
 * Commits reach the disk as rows of a journal, one small append each, and the tables later, many commits at once: a task
 * that came, ran and ended in between costs one row instead of three. What only the journal holds is pending; whoever
 * reads the tables settles first. After a crash the journal is run as it stands.
 */
import { TASK_STATES } from '@rma/protocol/task-state';
import { count, type LaneDelta, type Persist } from '../core/effects.js';
import type { Lane } from '../core/lane.js';
import type { Task } from '../core/task.js';
import {
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

/** Above this many pending bytes the tables are brought up to date. */
const PENDING_BYTES = 524_288;
/** A commit of more payload than this goes to the tables at once, rather than twice to the disk. */
const DIRECT_BYTES = 131_072;

/** What the journal holds and the tables do not: sums of counts, the latest of each task, the rest in order. */
class Pending {
  readonly tasks = new Map<
    string,
    { readonly task: Task; readonly held: Task['stored']; readonly latest: Task['stored'] }
  >();
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

  operations(): Operation[] {
    const operations = lanesOperations(this);
    for (const { task, held } of this.tasks.values()) operations.push(taskOperation(task, held));
    for (const operation of countOperations(this)) operations.push(operation);
    for (const operation of this.others) operations.push(operation);
    return operations;
  }
}

export class WriteBehind {
  readonly #database: Database;
  readonly #statements: Statements;
  #pending = new Pending();
  /** The journal has rows of an earlier process, or of commits that memory has given up; then nothing is pending. */
  #unread: boolean;
  /** No id above it has a row. */
  #newestId: string;

  constructor(database: Database, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
    this.#unread = statements.anyJournal.get() !== undefined;
    this.#newestId = (statements.newestId.get() as string | null) ?? '';
  }

  /** The latest of a task that the tables do not have yet. */
  task(id: string): Task | undefined {
    return this.#pending.tasks.get(id)?.task;
  }

  /** On disk when it returns. @throws StorageFull: then read back by `recover` what the disk holds */
  commit(persist: Persist, wallMs: number): void {
    this.read(() => {
      for (const task of persist.tasks) this.#expect(task);
      for (const lane of persist.laneDeltas.keys()) this.#expectLane(lane, persist.newLanes);
    });
    const others = otherOperations(persist, wallMs);
    // A new lane may have the key of one that is about to go: then only the journal has the right order.
    const inOrder = persist.newLanes.length > 0 && this.#pending.dropsLanes;
    if (!inOrder && isBulk(persist)) {
      this.#pending.add(persist, others);
      this.#bringUp();
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
    for (const operation of countOperations(persist)) operations.push(operation);
    for (const operation of others) operations.push(operation);
    const row = packOperations(operations);
    try {
      this.#statements.appendJournal.run(row);
    } catch (error) {
      throw asStorageFull(error);
    }
    // What the journal has not given back yet is not known in memory; with it, this waits there.
    if (this.#unread) return;
    this.#pending.add(persist, others);
    this.#pending.bytes += row.length;
  }

  /**
   * What the tables would refuse must not get into the journal: it would stop every later start.
   * @throws Error where memory and disk disagree, which is a defect
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
   * Brings the tables up to date with the journal. Between commits only: what is pending are the core's own tasks, which
   * a step has changed already when its commit begins. @throws StorageFull when there is no room for it; nothing is lost */
  settle(): void {
    if (this.#pending.bytes > 0 || this.#unread) this.#bringUp();
  }

  /** Settles, and appends to the journal what changes nothing. @throws StorageFull when there is no room for both */
  tryToWrite(): void {
    this.settle();
    try {
      this.#statements.appendJournal.run(packOperations([]));
    } catch (error) {
      throw asStorageFull(error);
    }
  }

  /**
   * Gives up what memory knows of pending commits and reads, with the journal run. That works on a full disk, too: then
   * the tables stay behind, and the next settling runs the journal.
   */
  recover<T>(look: () => T): T {
    this.#pending = new Pending();
    this.#unread = true;
    return this.read(() => {
      this.#newestId = (this.#statements.newestId.get() as string | null) ?? '';
      return look();
    });
  }

  /** Looks at tables that have all but what is pending in memory; on a full disk they do only while it looks. */
  read<T>(look: () => T): T {
    if (!this.#unread) return look();
    const { begin, rollback } = this.#statements;
    begin.run();
    try {
      this.#runJournal();
      const answer = look();
      this.#finish();
      return answer;
    } finally {
      if (this.#database.inTransaction) rollback.run();
    }
  }

  #bringUp(): void {
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

  /** Keeps what was run, if the disk takes it. */
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

/** What would otherwise go to the disk twice. */
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
