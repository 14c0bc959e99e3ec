/**
 * The store's port in memory, with the guards of the one on SQLite: an update names the state and attempt that it expects,
 * ids and chunks are unique, a commit is atomic. It answers copies: only a commit changes what is stored.
 */
import type { Persist, StoredAttempt } from '@rma/server/core/effects';
import { makeLane } from '@rma/server/core/lane';
import type { Stored } from '@rma/server/core/restore';
import { compareTasks, isTrial, MAX_TRIED, type Task } from '@rma/server/core/task';
import type { TokenRecord } from '@rma/server/core/token';
import type { WorkerRecord } from '@rma/server/core/worker';
import type { Store } from '@rma/server/store/store';

/** A store that answers at once. */
export type SyncStore = {
  readonly [K in keyof Store]: (...args: Parameters<Store[K]>) => Awaited<ReturnType<Store[K]>>;
};

export interface LaneRow {
  readonly id: number;
  readonly key: string;
  readonly kind: string;
  readonly constraints: string;
  readonly owner: string;
  queued: number;
  open: number;
}

interface Tables {
  tasks: Map<number, Task>;
  lanes: Map<number, LaneRow>;
  chunks: Map<string, { seq: number; attempt: number; chunk: number; data: Uint8Array }>;
  attempts: Map<string, StoredAttempt>;
  workers: Map<string, WorkerRecord>;
  tokens: Map<string, TokenRecord>;
  kinds: Map<string, { kind: string; worker: string }>;
  bindings: Map<string, Stored['bindings'][number]>;
  owners: Map<string, number>;
  ended: Map<string, number>;
  events: Persist['events'][number][];
  blobs: Map<string, { owner: string; blob: string; size: number }>;
}

export class MemoryStore implements SyncStore {
  #tables: Tables = {
    tasks: new Map(),
    lanes: new Map(),
    chunks: new Map(),
    attempts: new Map(),
    workers: new Map(),
    tokens: new Map(),
    kinds: new Map(),
    bindings: new Map(),
    owners: new Map(),
    ended: new Map(),
    events: [],
    blobs: new Map(),
  };
  /** Thrown by the next commit, which then changes nothing. */
  failNext: Error | undefined;

  /** What is stored, for assertions. */
  get tables(): Readonly<Tables> {
    return this.#tables;
  }

  load(): Stored {
    const t = this.#tables;
    const tasks = [...t.tasks.values()];
    const running = tasks.filter(({ state }) => state === 'running').sort((a, b) => a.seq - b.seq);
    const lanes = [...t.lanes.values()];
    return {
      workers: [...t.workers.values()].map((record) => structuredClone(record)),
      tokens: [...t.tokens.values()].map((record) => structuredClone(record)),
      kinds: [...t.kinds.values()],
      bindings: [...t.bindings.values()],
      lanes: lanes.map((row) => {
        const lane = makeLane(row.id, row.key, row.kind, JSON.parse(row.constraints), row.owner);
        lane.open = row.open;
        return { lane, queued: row.queued };
      }),
      running: running.map((task) => this.#read(task)),
      attempts: this.#lastingAttempts(),
      owners: [...t.owners].map(([owner, open]) => ({ owner, open })),
      ended: [...t.ended].map(([state, count]) => ({ state, count })),
      scheduled: lanes.reduce((sum, lane) => sum + lane.open - lane.queued, 0) - running.length,
      nextSeq: Math.max(0, ...t.tasks.keys()) + 1,
      newestId: tasks.reduce((newest, { id }) => (id > newest ? id : newest), ''),
      nextLane: Math.max(0, ...t.lanes.keys()) + 1,
      lastEvent: t.events.at(-1)?.seq ?? 0,
    };
  }

  #lastingAttempts(): Stored['attempts'] {
    return [...this.#tables.attempts.values()].flatMap(({ state, ...row }) => {
      const task = this.#tables.tasks.get(row.seq);
      if (state === 'ended' || !task) return [];
      const { seq, attempt, worker, service, startedAt, endedAt, error } = row;
      return [{ seq, attempt, worker, service, startedAt, endedAt, error, state, task: task.id, kind: task.kind }];
    });
  }

  fetch(ids: readonly string[]): Task[] {
    const wanted = new Set(ids);
    return [...this.#tables.tasks.values()].filter(({ id }) => wanted.has(id)).map((task) => this.#read(task));
  }

  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Task[] {
    const claimed: Task[] = [];
    let size = 0;
    for (const task of this.queuedIn(lane)) {
      if (after && compareTasks(task, after) <= 0) continue;
      claimed.push(this.#read(task));
      size += task.input.length + 256;
      if (claimed.length >= tasks || size >= bytes) break;
    }
    return claimed;
  }

  /** The queued rows of a lane, best first. */
  queuedIn(lane: number): Task[] {
    return [...this.#tables.tasks.values()]
      .filter((task) => task.lane === lane && task.state === 'queued')
      .sort(compareTasks);
  }

  due(wallMs: number, limit: number): Task[] {
    return [...this.#tables.tasks.values()]
      .filter(({ dueAt }) => dueAt !== 0 && dueAt <= wallMs)
      .sort((a, b) => a.dueAt - b.dueAt || a.seq - b.seq)
      .slice(0, limit)
      .map((task) => this.#read(task));
  }

  tryToWrite(): boolean {
    return this.failNext === undefined;
  }

  commit(persist: Persist): void {
    const { failNext } = this;
    this.failNext = undefined;
    if (failNext) throw failNext;
    const before = this.#tables;
    this.#tables = copyOf(before);
    try {
      this.#write(persist);
    } catch (error) {
      this.#tables = before;
      throw error;
    }
    for (const task of persist.tasks) task.stored = { state: task.state, attempt: task.attempt };
  }

  #write(persist: Persist): void {
    const t = this.#tables;
    for (const lane of persist.newLanes) {
      demand(
        ![...t.lanes.values()].some(({ id, key }) => id === lane.id || key === lane.key),
        `lane ${lane.key} twice`,
      );
      const { id, key, kind, constraints, owner } = lane;
      t.lanes.set(id, { id, key, kind, constraints: JSON.stringify(constraints), owner, queued: 0, open: 0 });
    }
    for (const task of persist.tasks) this.#writeTask(task);
    for (const [id, { queued, open }] of persist.laneDeltas) {
      if (queued === 0 && open === 0) continue;
      const lane = t.lanes.get(id);
      demand(lane !== undefined, `lane ${id} is not stored`);
      t.lanes.set(id, { ...lane, queued: lane.queued + queued, open: lane.open + open });
    }
    for (const [owner, by] of persist.ownerDeltas) t.owners.set(owner, (t.owners.get(owner) ?? 0) + by);
    for (const [state, by] of persist.endedDeltas) t.ended.set(state, (t.ended.get(state) ?? 0) + by);
    for (const [key, attempt] of persist.attempts) {
      if (attempt.state === 'gone') t.attempts.delete(key);
      else t.attempts.set(key, attempt);
    }
    for (const seq of persist.dropChunks) {
      for (const [key, chunk] of t.chunks) if (chunk.seq === seq) t.chunks.delete(key);
    }
    for (const chunk of persist.chunks) {
      const key = `${chunk.seq}#${chunk.attempt}#${chunk.chunk}`;
      demand(!t.chunks.has(key), `chunk ${key} twice`);
      t.chunks.set(key, chunk);
    }
    for (const record of persist.workers) t.workers.set(record.id, structuredClone(record));
    for (const record of persist.tokens) t.tokens.set(record.id, structuredClone(record));
    for (const id of persist.dropWorkers) t.workers.delete(id);
    for (const id of persist.dropTokens) t.tokens.delete(id);
    for (const { kind, worker } of persist.kinds) t.kinds.set(`${kind} ${worker}`, { kind, worker });
    for (const worker of persist.dropKindsOf) {
      for (const [key, row] of t.kinds) if (row.worker === worker) t.kinds.delete(key);
    }
    for (const [workload, binding] of persist.bindings) {
      if (binding) t.bindings.set(workload, { workload, ...binding });
      else t.bindings.delete(workload);
    }
    for (const id of persist.droppedLanes) if (t.lanes.get(id)?.open === 0) t.lanes.delete(id);
    for (const event of persist.events) {
      demand(event.seq === (t.events.at(-1)?.seq ?? 0) + 1, `event ${event.seq} out of order`);
      t.events.push(event);
    }
  }

  #writeTask(task: Task): void {
    const { tasks } = this.#tables;
    const row = tasks.get(task.seq);
    const { stored } = task;
    if (stored) {
      demand(
        row !== undefined && row.state === stored.state && row.attempt === stored.attempt,
        `the update of task ${task.id} (${stored.state}, attempt ${stored.attempt} to ${task.state}) matches no row`,
      );
    } else {
      demand(row === undefined, `task number ${task.seq} twice`);
      demand(![...tasks.values()].some(({ id }) => id === task.id), `task ${task.id} twice`);
    }
    tasks.set(task.seq, structuredClone(task));
  }

  /** A row as a fresh object, as if it came from disk. */
  #read(task: Task): Task {
    const its = [...this.#tables.chunks.values()].filter((c) => c.seq === task.seq && c.attempt === task.attempt);
    return {
      ...structuredClone(task),
      triedOn: this.#triedOn(task),
      stored: { state: task.state, attempt: task.attempt },
      lastChunk: Math.max(0, ...its.map(({ chunk }) => chunk)),
      chunkBytes: its.reduce((sum, { data }) => sum + data.length, 0),
    };
  }

  #triedOn({ seq, attempt, endedAt }: Task): string[] {
    if (attempt === 0 || endedAt !== 0) return [];
    const its = [...this.#tables.attempts.values()].filter((row) => row.seq === seq && row.endedAt > 0);
    const workers = its.filter(({ error }) => error && isTrial(error.code)).sort((a, b) => b.attempt - a.attempt);
    return [...new Set(workers.map(({ worker }) => worker))].slice(0, MAX_TRIED);
  }

  chunks(seq: number, attempt: number, after: number, upTo: number, limit: number) {
    return [...this.#tables.chunks.values()]
      .filter((c) => c.seq === seq && c.attempt === attempt && c.chunk > after && c.chunk <= upTo)
      .sort((a, b) => a.chunk - b.chunk)
      .slice(0, limit)
      .map(({ chunk, data }) => ({ chunk, data }));
  }

  addBlob(record: { owner: string; blob: string; size: number }): void {
    this.#tables.blobs.set(`${record.owner} ${record.blob}`, record);
  }

  findBlob(owner: string, blob: string): { size: number } | undefined {
    return this.#tables.blobs.get(`${owner} ${blob}`);
  }

  prune({ endedBefore }: { endedBefore: number }): boolean {
    const { tasks } = this.#tables;
    for (const task of tasks.values()) if (task.endedAt !== 0 && task.endedAt < endedBefore) tasks.delete(task.seq);
    return false;
  }

  close(): void {
    this.#tables.events.length = 0;
  }
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${what}`);
}

function copyOf(tables: Tables): Tables {
  return {
    tasks: new Map(tables.tasks),
    lanes: new Map(tables.lanes),
    chunks: new Map(tables.chunks),
    attempts: new Map(tables.attempts),
    workers: new Map(tables.workers),
    tokens: new Map(tables.tokens),
    kinds: new Map(tables.kinds),
    bindings: new Map(tables.bindings),
    owners: new Map(tables.owners),
    ended: new Map(tables.ended),
    events: [...tables.events],
    blobs: new Map(tables.blobs),
  };
}
