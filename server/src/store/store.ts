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
  /** Deletes ended tasks and events past their retention, at most `limit` of each; true when there may be more. */
  prune(options: { endedBefore: number; eventsBefore: number; maxEvents: number; limit: number }): Awaitable<boolean>;
  close(): Awaitable<void>;
}

/** The disk is full, or a quota reached. Nothing of the write happened; what was committed before stays. */
export class StorageFull extends Error {
  constructor(cause: unknown) {
    super('there is no room left to write to', { cause });
    this.name = 'StorageFull';
  }
}
