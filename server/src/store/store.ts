/**
 * The store's port. The coordinator's loop is its only writer; every call is ordered with the others. An answer may
 * come at once (SQLite, embedded) or as a promise (a database server).
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
  /** All that the core needs to go on where the last process stopped. */
  load(): Awaitable<Stored>;
  /** The rows with these ids; ids without one are left out. An open task's row tells its latest attempt's last chunk. */
  fetch(ids: readonly string[]): Awaitable<Task[]>;
  /** Queued rows of a lane behind a position, best first, up to a number and about a size. */
  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Awaitable<Task[]>;
  /** Rows whose time has come, earliest first. */
  due(wallMs: number, limit: number): Awaitable<Task[]>;
  /** All of it or nothing, on disk when it returns. Throws `StorageFull` when there is no room. */
  commit(persist: Persist, wallMs: number): Awaitable<void>;
  /** Whether a commit finds room: brings up to date what waits for that, and writes a little. */
  tryToWrite(): Awaitable<boolean>;
  /** Output chunks behind `after`, up to `upTo`, in order; at most `limit`. */
  chunks(
    seq: number,
    attempt: number,
    after: number,
    upTo: number,
    limit: number,
  ): Awaitable<{ chunk: number; data: Uint8Array }[]>;
  addBlob(record: BlobRecord, wallMs: number): Awaitable<void>;
  findBlob(owner: string, blob: string): Awaitable<{ size: number } | undefined>;
  /** Ends the right to blobs that no task refers to and that are older than `olderThan`; answers blobs nobody holds any more. */
  dropBlobs(olderThan: number, limit: number): Awaitable<string[]>;
  /** Removes ended tasks and events past their time, a bounded number a call; true when there may be more. */
  prune(options: { endedBefore: number; eventsBefore: number; maxEvents: number; limit: number }): Awaitable<boolean>;
  close(): Awaitable<void>;
}

/** The disk is full, or a quota reached. What was to be written is not; what was written stays. */
export class StorageFull extends Error {
  constructor(cause: unknown) {
    super('there is no room left to write to', { cause });
    this.name = 'StorageFull';
  }
}
