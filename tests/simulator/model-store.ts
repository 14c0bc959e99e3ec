/**
 * The store's port in memory, for long runs: no operation costs work in the number of stored tasks, but a load. It keeps
 * the guards of the one on SQLite (an update names the state and attempt that it expects) and reports each row's change.
 */
import type { AttemptWrite, Persist } from '@rma/server/core/effects';
import { makeLane } from '@rma/server/core/lane';
import { Heap } from '@rma/server/core/matching/heap';
import type { Stored } from '@rma/server/core/restore';
import { compareTasks, isTrial, MAX_TRIED, type Task } from '@rma/server/core/task';
import { StorageFull } from '@rma/server/store/store';
import type { LaneRow, SyncStore } from '../core/memory-store.js';

export interface LaneTable extends LaneRow {
  /** Its queued rows, best first. */
  readonly rows: Task[];
}

type StoredChunks = { attempt: number; chunk: number; data: Uint8Array }[];

export class ModelStore implements Pick<SyncStore, 'load' | 'fetch' | 'findBlob' | 'due' | 'claim' | 'commit'> {
  readonly tasks = new Map<number, Task>();
  readonly byId = new Map<string, Task>();
  readonly lanes = new Map<number, LaneTable>();
  readonly #chunks = new Map<number, StoredChunks>();
  /** By the number of the task: the rows of its attempts, by their numbers. */
  readonly #attempts = new Map<number, Map<number, Exclude<AttemptWrite, { state: 'gone' }>>>();
  readonly #workers = new Map<string, Stored['workers'][number]>();
  readonly #tokens = new Map<string, Stored['tokens'][number]>();
  readonly #kinds = new Map<string, { kind: string; worker: string }>();
  readonly #bindings = new Map<string, Stored['bindings'][number]>();
  readonly #owners = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  /** Rows by when they are due; one whose row has changed since is skipped. */
  readonly #due = new DueRows();
  /** Since when each queued row is queued, by its number. */
  readonly queuedSinceMs = new Map<number, number>();
  #lastSeq = 0;
  #lastLane = 0;
  #lastEvent = 0;
  /** A commit finds no room. */
  isFull = false;
  /** Called for each row that a commit changes. */
  onRow: ((before: Task | undefined, after: Task) => void) | undefined;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  load(): Stored {
    const tasks = [...this.tasks.values()];
    const running = tasks.filter(({ state }) => state === 'running').sort((a, b) => a.seq - b.seq);
    return {
      workers: [...this.#workers.values()].map((record) => ({ ...record })),
      tokens: [...this.#tokens.values()].map((record) => ({ ...record })),
      kinds: [...this.#kinds.values()],
      bindings: [...this.#bindings.values()],
      lanes: [...this.lanes.values()].map((row) => {
        const lane = makeLane(row.id, row.key, row.kind, JSON.parse(row.constraints), row.owner);
        lane.open = row.open;
        return { lane, queued: row.queued };
      }),
      running: running.map((row) => this.#read(row)),
      attempts: this.#lastingAttempts(),
      owners: [...this.#owners].map(([owner, open]) => ({ owner, open })),
      ended: [...this.#ended].map(([state, count]) => ({ state, count })),
      scheduled: tasks.filter(({ state }) => state === 'scheduled').length,
      nextSeq: this.#lastSeq + 1,
      newestId: tasks.reduce((newest, { id }) => (id > newest ? id : newest), ''),
      nextLane: this.#lastLane + 1,
      lastEvent: this.#lastEvent,
    };
  }

  #lastingAttempts(): Stored['attempts'] {
    return [...this.#attempts.values()].flatMap((its) =>
      [...its.values()].flatMap(({ state, isNew: _isNew, ...row }) => {
        const task = this.tasks.get(row.seq);
        return state === 'ended' || !task ? [] : [{ ...row, state, task: task.id, kind: task.kind }];
      }),
    );
  }

  fetch(ids: readonly string[]): Task[] {
    return ids.flatMap((id) => {
      const row = this.byId.get(id);
      return row ? [this.#read(row)] : [];
    });
  }

  findBlob(): undefined {
    return undefined;
  }

  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Task[] {
    const rows = this.lanes.get(lane)?.rows ?? [];
    const claimed: Task[] = [];
    let size = 0;
    for (let at = after ? indexAfter(rows, after) : 0; at < rows.length; at++) {
      const row = rows[at]!;
      claimed.push(this.#read(row));
      size += row.input.length + 256;
      if (claimed.length >= tasks || size >= bytes) break;
    }
    return claimed;
  }

  due(wallMs: number, limit: number): Task[] {
    const found = this.#due.upTo(wallMs, limit, ({ dueAt, seq }) => this.tasks.get(seq)?.dueAt === dueAt);
    return found.map(({ seq }) => this.#read(this.tasks.get(seq)!));
  }

  /** The best queued row of a lane. */
  headOf(lane: number): Task | undefined {
    return this.lanes.get(lane)?.rows[0];
  }

  commit(persist: Persist): void {
    if (this.isFull) throw new StorageFull(new Error('the virtual disk is full'));
    for (const { id, key, kind, constraints, owner } of persist.newLanes) {
      demand(!this.lanes.has(id), `lane ${key} twice`);
      const row = { id, key, kind, constraints: JSON.stringify(constraints), owner, queued: 0, open: 0, rows: [] };
      this.lanes.set(id, row);
      this.#lastLane = Math.max(this.#lastLane, id);
    }
    for (const task of persist.tasks) this.#writeTask(task);
    for (const [id, { queued, open }] of persist.laneDeltas) {
      const lane = this.lanes.get(id);
      if (!lane && queued === 0 && open === 0) continue;
      demand(lane !== undefined, `lane ${id} is not stored`);
      lane.queued += queued;
      lane.open += open;
      demand(lane.queued === lane.rows.length, `lane ${lane.key} counts ${lane.queued} of ${lane.rows.length} rows`);
    }
    for (const [owner, by] of persist.ownerDeltas) add(this.#owners, owner, by);
    for (const [state, by] of persist.endedDeltas) add(this.#ended, state, by);
    for (const seq of persist.dropChunks) this.#chunks.delete(seq);
    for (const { seq, attempt, chunk, data } of persist.chunks) {
      const stored = this.#chunks.get(seq) ?? [];
      demand(!stored.some((one) => one.attempt === attempt && one.chunk === chunk), `chunk ${chunk} of ${seq} twice`);
      stored.push({ attempt, chunk, data });
      this.#chunks.set(seq, stored);
    }
    this.#commitRest(persist);
    for (const task of persist.tasks) task.stored = { state: task.state, attempt: task.attempt };
  }

  #commitRest(persist: Persist): void {
    for (const write of persist.attempts.values()) this.#writeAttempt(write);
    for (const id of persist.dropWorkers) this.#workers.delete(id);
    for (const id of persist.dropTokens) this.#tokens.delete(id);
    for (const record of persist.workers) this.#workers.set(record.id, { ...record });
    for (const record of persist.tokens) this.#tokens.set(record.id, { ...record });
    for (const { kind, worker } of persist.kinds) this.#kinds.set(`${kind} ${worker}`, { kind, worker });
    for (const worker of persist.dropKindsOf) {
      for (const [key, row] of this.#kinds) if (row.worker === worker) this.#kinds.delete(key);
    }
    for (const [workload, binding] of persist.bindings) {
      if (binding) this.#bindings.set(workload, { workload, ...binding });
      else this.#bindings.delete(workload);
    }
    for (const id of persist.droppedLanes) if (this.lanes.get(id)?.open === 0) this.lanes.delete(id);
    for (const { seq } of persist.events) demand(seq === ++this.#lastEvent, `event ${seq} out of order`);
  }

  #writeAttempt(write: AttemptWrite): void {
    const its = this.#attempts.get(write.seq) ?? new Map();
    if (write.state === 'gone') its.delete(write.attempt);
    else its.set(write.attempt, write);
    if (its.size > 0) this.#attempts.set(write.seq, its);
    else this.#attempts.delete(write.seq);
  }

  /** Workers on which an attempt of an open task came to nothing, the newest first. */
  triedOn({ seq, endedAt }: Task): string[] {
    if (endedAt !== 0) return [];
    const its = [...(this.#attempts.get(seq)?.values() ?? [])].sort((a, b) => b.attempt - a.attempt);
    const tried = its.filter(({ endedAt, error }) => endedAt > 0 && error && isTrial(error.code));
    return [...new Set(tried.map(({ worker }) => worker))].slice(0, MAX_TRIED);
  }

  #writeTask(task: Task): void {
    const before = this.tasks.get(task.seq);
    const { stored } = task;
    const expected = stored ? before?.state === stored.state && before.attempt === stored.attempt : !before;
    demand(expected, `the update of task ${task.id} to ${task.state} matches no row`);
    demand(before !== undefined || !this.byId.has(task.id), `task ${task.id} twice`);
    const after = { ...task, stored: null };
    if (before?.state === 'queued') this.#unqueue(before);
    this.tasks.set(after.seq, after);
    this.byId.set(after.id, after);
    this.#lastSeq = Math.max(this.#lastSeq, after.seq);
    if (after.state === 'queued') this.#queue(after, before);
    else if (before?.state === 'queued') this.queuedSinceMs.delete(after.seq);
    if (after.dueAt !== 0 && after.dueAt !== before?.dueAt) this.#due.push(after);
    this.onRow?.(before, after);
  }

  #queue(row: Task, before: Task | undefined): void {
    const lane = this.lanes.get(row.lane);
    demand(lane !== undefined, `lane ${row.lane} of task ${row.id} is not stored`);
    lane.rows.splice(indexAfter(lane.rows, row), 0, row);
    if (before?.state !== 'queued') this.queuedSinceMs.set(row.seq, this.#nowMs());
  }

  #unqueue(row: Task): void {
    const { rows } = this.lanes.get(row.lane)!;
    const at = rows[0] === row ? 0 : indexAfter(rows, row) - 1;
    demand(rows[at] === row, `task ${row.id} is not in the queue of its lane`);
    if (at === 0) rows.shift();
    else rows.splice(at, 1);
  }

  /** A row as a fresh object, as if it came from disk. */
  #read(row: Task): Task {
    const its = this.#chunks.get(row.seq)?.filter(({ attempt }) => attempt === row.attempt) ?? [];
    const lastChunk = its.reduce((last, { chunk }) => Math.max(last, chunk), 0);
    const chunkBytes = its.reduce((sum, { data }) => sum + data.length, 0);
    const stored = { state: row.state, attempt: row.attempt };
    return { ...row, triedOn: this.triedOn(row), stored, lastChunk, chunkBytes };
  }

  /** Deletes an ended task, as pruning does once it is past its retention. */
  prune(row: Task): void {
    this.tasks.delete(row.seq);
    this.byId.delete(row.id);
    this.#chunks.delete(row.seq);
    this.#attempts.delete(row.seq);
  }

  addToken(record: Stored['tokens'][number]): void {
    this.#tokens.set(record.id, { ...record });
  }
}

/** The index behind the last row that does not come after `position`, by binary search. */
function indexAfter(rows: readonly Task[], position: { priority: number; seq: number }): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTasks(rows[middle]!, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`invariant of the store: ${what}`);
}

interface Due {
  readonly dueAt: number;
  readonly seq: number;
}

/** Entries by `dueAt`, then `seq`. */
class DueRows {
  readonly #heap = new Heap<Due>(comesBefore);

  push({ dueAt, seq }: Due): void {
    this.#heap.push({ dueAt, seq });
  }

  /** Entries up to a time that are `current`; they stay. Others are dropped. */
  upTo(wallMs: number, limit: number, isCurrent: (entry: Due) => boolean): Due[] {
    const found: Due[] = [];
    const stays: Due[] = [];
    for (let entry = this.#heap.pop(); entry; entry = this.#heap.pop()) {
      if (entry.dueAt > wallMs) stays.push(entry);
      else if (isCurrent(entry)) found.push(entry);
      if (entry.dueAt > wallMs || found.length >= limit) break;
    }
    for (const entry of [...stays, ...found]) this.#heap.push(entry);
    return found;
  }
}

const comesBefore = (a: Due, b: Due): boolean => a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.seq < b.seq);
