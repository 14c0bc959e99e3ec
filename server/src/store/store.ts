/**
 * The store's port. The loop is its only caller that writes, one call at a time. An answer may come at once (embedded
 * SQLite) or as a promise (a database server).
 */
import type { Persist } from '../core/effects.js';
import type { Stored } from '../core/restore.js';
import type { Task } from '../core/task.js';

export type Awaitable<T> = T | Promise<T>;

export interface BlobRecord {
  readonly owner: string;
  readonly blob: string;
  readonly size: number;
}

/** What is past its retention, and how much of it one slice may delete. */
export interface PruneLimits {
  /** Tasks that ended before, in ms since 1970. */
  readonly endedBefore: number;
  readonly eventsBefore: number;
  /** Events above this number are deleted whatever their age. */
  readonly maxEvents: number;
  /** Rows of all tables, and bytes of payload: a slice ends with the row that reaches one of them. */
  readonly rows: number;
  readonly bytes: number;
}

export interface Store {
  /** The state that the core is restored from. */
  load(): Awaitable<Stored>;
  /** The rows with these ids; ids without a row are left out. An open task comes with its latest attempt's last chunk. */
  fetch(ids: readonly string[]): Awaitable<Task[]>;
  /** Queued rows of a lane behind `after` (null: from the head), best first; at most `tasks`, and about `bytes` of input. */
  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Awaitable<Task[]>;
  /** Rows with `0 < dueAt <= wallMs`, earliest first. */
  due(wallMs: number, limit: number): Awaitable<Task[]>;
  /** Atomic, and durable when it returns. @throws StorageFull when there is no room; then nothing of it is written */
  commit(persist: Persist, wallMs: number): Awaitable<void>;
  /** Whether a commit would find room: settles what is pending, and writes an empty commit. */
  tryToWrite(): Awaitable<boolean>;
  /** Output chunks with `after < chunk <= upTo`, in order; at most `limit`. */
  chunks(
    seq: number,
    attempt: number,
    after: number,
    upTo: number,
    limit: number,
  ): Awaitable<{ chunk: number; data: Uint8Array }[]>;
  addBlob(record: BlobRecord, wallMs: number): Awaitable<void>;
  findBlob(owner: string, blob: string): Awaitable<{ size: number } | undefined>;
  /** Drops owners' rights to blobs that no task refers to, held since before `olderThan`; answers blobs without an owner. */
  dropBlobs(olderThan: number, limit: number): Awaitable<string[]>;
  /** One slice of pruning: deletes events and ended tasks past their retention, the oldest first; true when there may be more. */
  prune(limits: PruneLimits): Awaitable<boolean>;
  close(): Awaitable<void>;
}

/** The disk is full, or a quota reached. Nothing of the write happened; what was committed before stays. */
export class StorageFull extends Error {
  constructor(cause: unknown) {
    super('there is no room left to write to', { cause });
    this.name = 'StorageFull';
  }
}
