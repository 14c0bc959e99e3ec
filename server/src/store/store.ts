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
  /** Against whose quota it counts until a task names it. */
  readonly uploader: string;
  /** The attempt whose output it belongs to; '' for a client's. */
  readonly attempt: string;
}

/**
 * What is known of blobs, whose bytes are files: a row is one owner's right to read one. A blob is *unnamed* while no task
 * refers to it. Each write is durable when it returns.
 */
export interface BlobRecords {
  addBlob(record: BlobRecord, wallMs: number): Awaitable<void>;
  findBlob(owner: string, blob: string): Awaitable<{ size: number } | undefined>;
  /** As `findBlob`, for one that is uploaded again: it is held anew from now, by this uploader. */
  holdBlob(record: Omit<BlobRecord, 'size'>, wallMs: number): Awaitable<{ size: number } | undefined>;
  /** All that this uploader holds unnamed is held anew from now. */
  renewBlobs(uploader: string, wallMs: number): Awaitable<void>;
  /** How much of an uploader's is unnamed; no more than `limit` are counted. */
  unnamedOf(uploader: string, limit: number): Awaitable<{ blobs: number; bytes: number }>;
  /** How many blobs for an attempt are unnamed. */
  unnamedFor(attempt: string): Awaitable<number>;
  /** Whether anybody has a right to it. */
  isOwned(blob: string): Awaitable<boolean>;
  /** Drops rights to unnamed blobs held since before `heldBefore`, the oldest first, at most `limit`; answers the blobs. */
  dropUnnamed(heldBefore: number, limit: number): Awaitable<string[]>;
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
  findBlob(owner: string, blob: string): Awaitable<{ size: number } | undefined>;
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
