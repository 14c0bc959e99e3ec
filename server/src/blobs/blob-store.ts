/**
 * Blobs as files named by their SHA-256. A partial upload is kept to be resumed; a blob exists only once its hash matched.
 * Order on disk: a file is there, synced, before its row, and goes after it. So a crash can leave a file without a row, and
 * never a row without a file; files without rows are removed after the next start.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import type { BlobRecords } from '../store/store.js';
import { type Part, Parts, partName } from './parts.js';
import { type BlobQuotas, DEFAULT_BLOB_QUOTAS, quotaRefusal } from './quota.js';
import { asStorageFull, storageFull, Upload } from './upload.js';

/** A partial upload without progress for so long is deleted. */
const PART_MAX_AGE_MS = 3_600_000;
/** While an upload moves, what its uploader holds is held anew this often: the last of many blobs may take long. */
const RENEW_MS = 600_000;
/** Files or rows that one slice looks at. */
const SLICE = 256;
const BLOB = /^[0-9a-f]{64}$/;

/** Whose a blob becomes, and who uploads it. */
export interface UploadScope {
  readonly owner: string;
  /** A client's subject or a worker, see {@link uploaderOf}. */
  readonly uploader: string;
  /** For a worker: the attempt whose output it is. */
  readonly attempt: string;
}

export interface BlobStoreOptions {
  readonly directory: string;
  readonly records: BlobRecords;
  readonly wallMs: () => number;
  /** Bytes that may be written without touching what is reserved for results. */
  readonly room: () => number;
  /** Whether there was no such room lately: uploads under way end then, too. */
  readonly full: () => boolean;
  readonly quotas?: BlobQuotas;
}

export class BlobStore {
  readonly #options: BlobStoreOptions;
  readonly #quotas: BlobQuotas;
  readonly #parts = new Parts();
  /** Blobs between rename and commit: their files must not be taken for such without a row. */
  readonly #finishing = new Set<string>();
  readonly #checking = this.#checkFiles();

  constructor(options: BlobStoreOptions) {
    this.#options = options;
    this.#quotas = options.quotas ?? DEFAULT_BLOB_QUOTAS;
    mkdirSync(this.#partsDirectory, { recursive: true });
  }

  async find(owner: string, blob: string): Promise<{ size: number } | undefined> {
    return this.#options.records.findBlob(owner, blob);
  }

  /** As `find`, for a blob that is about to be uploaded: one that is there is kept as long as if it were. */
  async hold(scope: UploadScope, blob: string): Promise<{ size: number } | undefined> {
    const { records, wallMs } = this.#options;
    return records.holdBlob({ ...scope, blob }, wallMs());
  }

  /**
   * Begins or resumes an upload. @throws ProtocolError of kind `unavailable` while another one of the same runs,
   * `storage_full` where it would not fit beside what is reserved for results, `rate_limited` and `too_large` by quota
   */
  async upload(scope: UploadScope, blob: string, size: number): Promise<Upload> {
    const name = partName(scope.uploader, scope.owner, blob);
    if (this.#parts.isOpen(name)) {
      throw new ProtocolError('unavailable', `the blob ${blob} is being uploaded on another stream; try again shortly`);
    }
    if (this.#options.full()) throw storageFull();
    // Counted first, so that many that are asked for at once count each other.
    const part = this.#parts.open(name, scope.uploader, size);
    try {
      const room = this.#options.room();
      await this.#checkQuota(scope, room);
      const file = await open(this.#pathOf(name), 'a+', 0o600);
      try {
        const held = await this.#resume(file, size);
        this.#parts.expect(part, size - held);
        if (this.#parts.expectedBytes > room) throw storageFull();
        return this.#begin(file, part, held, size, scope, blob);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      this.#parts.close(part, this.#options.wallMs());
      throw asStorageFull(error);
    }
  }

  /** Bytes of it that are there already; a part that is larger than what is announced now begins anew. */
  async #resume(file: FileHandle, size: number): Promise<number> {
    const held = (await file.stat()).size;
    if (held <= size) return held;
    await file.truncate(0);
    return 0;
  }

  #begin(file: FileHandle, part: Part, held: number, size: number, scope: UploadScope, blob: string): Upload {
    const { records, wallMs, full } = this.#options;
    let renewedMs = wallMs();
    return new Upload(file, held, size, {
      refused: full,
      wrote: async (bytes) => {
        this.#parts.expect(part, size - bytes);
        if (wallMs() - renewedMs < RENEW_MS) return;
        renewedMs = wallMs();
        await records.renewBlobs(scope.uploader, renewedMs);
      },
      whole: () => this.#finish(scope, blob, size, part.name),
      done: () => this.#parts.close(part, wallMs()),
    });
  }

  async #checkQuota({ uploader, attempt }: UploadScope, room: number): Promise<void> {
    const { records } = this.#options;
    const { parts, bytes } = this.#parts.usageOf(uploader);
    const unnamed = await records.unnamedOf(uploader, this.#quotas.blobs);
    const ofAttempt = attempt === '' ? 0 : await records.unnamedFor(attempt);
    const usage = { blobs: unnamed.blobs + parts, bytes: unnamed.bytes + bytes, ofAttempt };
    const refusal = quotaRefusal(this.#quotas, usage, room);
    if (refusal) throw refusal;
  }

  async #finish(scope: UploadScope, blob: string, size: number, name: string): Promise<void> {
    const part = this.#pathOf(name);
    const actual = await hashOf(part);
    if (actual !== blob) {
      rmSync(part, { force: true });
      this.#parts.remove(name);
      throw new ProtocolError('invalid', `the bytes hash to ${actual}, not to ${blob}; upload them again`);
    }
    const { records, wallMs, directory } = this.#options;
    this.#finishing.add(blob);
    try {
      const file = this.#fileOf(blob);
      const made = await mkdir(dirname(file), { recursive: true });
      if (made !== undefined) await syncDirectory(directory);
      await rename(part, file);
      this.#parts.remove(name);
      await syncDirectory(dirname(file));
      await records.addBlob({ ...scope, blob, size }, wallMs());
      await records.renewBlobs(scope.uploader, wallMs());
    } finally {
      this.#finishing.delete(blob);
    }
  }

  open(blob: string): Promise<FileHandle> {
    return open(this.#fileOf(blob), 'r');
  }

  /** One slice: deletes blobs that no task refers to, and abandoned uploads. True when there may be more. */
  async sweep(maxAgeMs: number): Promise<boolean> {
    const { records, wallMs } = this.#options;
    const dropped = await records.dropUnnamed(wallMs() - maxAgeMs, SLICE);
    for (const blob of dropped) await this.#removeUnowned(blob);
    const old = this.#parts.takeOld(wallMs() - PART_MAX_AGE_MS, SLICE);
    for (const name of old) await this.#removePart(name);
    return dropped.length === SLICE || old.length === SLICE;
  }

  /** One slice of what follows a start: removes files that a crash left, and counts the partial uploads. True: there is more. */
  async checkFiles(): Promise<boolean> {
    for (let files = 0; files < SLICE; files++) if ((await this.#checking.next()).done) return false;
    return true;
  }

  /** Gives a check up that is under way. */
  async close(): Promise<void> {
    await this.#checking.return(undefined);
  }

  async *#checkFiles(): AsyncGenerator<void> {
    for await (const { name } of await opendir(this.#partsDirectory)) {
      const found = await stat(this.#pathOf(name)).catch(ignoreMissing);
      const oldestMs = this.#options.wallMs() - PART_MAX_AGE_MS;
      if (found && !this.#parts.found(name, found.size, found.mtimeMs, oldestMs)) await this.#removePart(name);
      yield;
    }
    for await (const { name: directory } of await opendir(this.#options.directory)) {
      if (!/^[0-9a-f]{2}$/.test(directory)) continue;
      for await (const { name } of await opendir(join(this.#options.directory, directory))) {
        if (BLOB.test(name)) await this.#removeUnowned(name);
        yield;
      }
    }
  }

  /**
   * Deletes a blob's file unless somebody has a right to it. One that is finished meanwhile was among `#finishing` before
   * its row was looked for, or is still.
   */
  async #removeUnowned(blob: string): Promise<void> {
    if (this.#finishing.has(blob) || (await this.#options.records.isOwned(blob)) || this.#finishing.has(blob)) return;
    // Away at once, since the same blob may be finished again; deleting a large file takes a while.
    const gone = this.#pathOf(`${blob}.gone`);
    try {
      renameSync(this.#fileOf(blob), gone);
    } catch (error) {
      ignoreMissing(error);
    }
    await rm(gone, { force: true });
  }

  async #removePart(name: string): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
    this.#parts.remove(name);
  }

  get #partsDirectory(): string {
    return join(this.#options.directory, 'parts');
  }

  #pathOf(part: string): string {
    return join(this.#partsDirectory, part);
  }

  #fileOf(blob: string): string {
    return join(this.#options.directory, blob.slice(0, 2), blob);
  }
}

/** The name by which what a peer uploads is counted: workers and clients share none. */
export function uploaderOf(kind: 'subject' | 'worker', name: string): string {
  return `${kind} ${name}`;
}

/** An upload may be completed, and its part renamed, between the list and `stat`. */
function ignoreMissing(error: unknown): undefined {
  if (!hasErrorCode(error, 'ENOENT')) throw error;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(262_144);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
