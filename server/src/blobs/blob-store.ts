/** Blobs as files named by their SHA-256. A partial upload is kept to be resumed; a blob exists only once its hash matched. */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import { StorageFull, type Store } from '../store/store.js';

/** A partial upload without progress for so long is deleted. */
const PART_MAX_AGE_MS = 3_600_000;

export class BlobStore {
  readonly #directory: string;
  readonly #store: Store;
  readonly #wallMs: () => number;
  readonly #full: () => boolean;
  /** Blobs between rename and commit: a sweep must not delete their files. */
  readonly #finishing = new Set<string>();
  /** Uploads under way, by `owner blob`. */
  readonly #uploading = new Set<string>();

  /** @param full whether the room that is left is reserved for results */
  constructor(directory: string, store: Store, wallMs: () => number, full: () => boolean) {
    this.#directory = directory;
    this.#store = store;
    this.#wallMs = wallMs;
    this.#full = full;
    mkdirSync(join(directory, 'parts'), { recursive: true });
  }

  async find(owner: string, blob: string): Promise<{ size: number } | undefined> {
    return this.#store.findBlob(owner, blob);
  }

  /**
   * Begins or resumes an upload. @throws ProtocolError of kind `unavailable` while another one of the same runs, and
   * `storage_full` for one that is not part of a result while the disk is full
   */
  async upload(owner: string, blob: string, size: number, forResult: boolean): Promise<Upload> {
    const key = `${owner} ${blob}`;
    const refused = () => !forResult && this.#full();
    if (refused()) throw storageFull();
    if (this.#uploading.has(key)) {
      throw new ProtocolError('unavailable', `the blob ${blob} is being uploaded on another stream; try again shortly`);
    }
    this.#uploading.add(key);
    try {
      const part = join(this.#directory, 'parts', `${createHash('sha256').update(key).digest('hex')}.part`);
      const file = await open(part, 'a+', 0o600);
      const held = (await file.stat()).size;
      if (held > size) await file.truncate(0);
      return new Upload(file, part, Math.min(held, held > size ? 0 : held), size, {
        refused,
        whole: () => this.#finish(owner, blob, size, part),
        done: () => this.#uploading.delete(key),
      });
    } catch (error) {
      this.#uploading.delete(key);
      throw asStorageFull(error);
    }
  }

  async #finish(owner: string, blob: string, size: number, part: string): Promise<void> {
    const actual = await hashOf(part);
    if (actual !== blob) {
      rmSync(part, { force: true });
      throw new ProtocolError('invalid', `the bytes hash to ${actual}, not to ${blob}; upload them again`);
    }
    this.#finishing.add(blob);
    try {
      const file = this.#fileOf(blob);
      const made = await mkdir(dirname(file), { recursive: true });
      if (made !== undefined) await syncDirectory(this.#directory);
      await rename(part, file);
      await syncDirectory(dirname(file));
      await this.#store.addBlob({ owner, blob, size }, this.#wallMs());
    } finally {
      this.#finishing.delete(blob);
    }
  }

  open(blob: string): Promise<FileHandle> {
    return open(this.#fileOf(blob), 'r');
  }

  /** Deletes blobs that no task refers to, and abandoned uploads. */
  async sweep(maxAgeMs: number): Promise<void> {
    const dropped = await this.#store.dropBlobs(this.#wallMs() - maxAgeMs, 1_000);
    for (const blob of dropped) if (!this.#finishing.has(blob)) rmSync(this.#fileOf(blob), { force: true });
    const parts = join(this.#directory, 'parts');
    for (const name of await readdir(parts)) {
      const file = join(parts, name);
      const found = await stat(file).catch(ignoreMissing);
      if (found && found.mtimeMs < this.#wallMs() - PART_MAX_AGE_MS) rmSync(file, { force: true });
    }
  }

  #fileOf(blob: string): string {
    return join(this.#directory, blob.slice(0, 2), blob);
  }
}

/** One upload. Writes are in order; `end` checks the whole. */
export class Upload {
  #last: Promise<void> = Promise.resolve();
  #received: number;
  #closed = false;

  constructor(
    readonly file: FileHandle,
    readonly part: string,
    /** Bytes that are held already: the sender continues here. */
    readonly offset: number,
    readonly size: number,
    private readonly port: { refused(): boolean; whole(): Promise<void>; done(): void },
  ) {
    this.#received = offset;
  }

  /** Resolves once the operating system has the bytes. @throws ProtocolError for more than was announced */
  write(bytes: Uint8Array): Promise<void> {
    if (this.port.refused()) return Promise.reject(storageFull());
    this.#received += bytes.length;
    if (this.#received > this.size) {
      return Promise.reject(new ProtocolError('too_large', `more than the announced ${this.size} bytes came`));
    }
    this.#last = this.#last.then(async () => {
      try {
        await this.file.appendFile(bytes);
      } catch (error) {
        throw asStorageFull(error);
      }
    });
    return this.#last;
  }

  async end(): Promise<void> {
    try {
      await this.#last;
      if (this.#received !== this.size) {
        throw new ProtocolError('invalid', `${this.#received} bytes came, ${this.size} were announced`);
      }
      await this.file.sync();
      await this.#close();
      await this.port.whole();
    } catch (error) {
      throw asStorageFull(error);
    } finally {
      await this.abandon();
    }
  }

  /** Keeps what was received, for a resumed upload. */
  async abandon(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#close();
    this.port.done();
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.file.close();
  }
}

/** An upload may be completed, and its part renamed, between `readdir` and `stat`. */
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

function asStorageFull(error: unknown): unknown {
  return error instanceof StorageFull || hasErrorCode(error, 'ENOSPC', 'EDQUOT') ? storageFull() : error;
}

function storageFull(): ProtocolError {
  return new ProtocolError('storage_full', "the coordinator's disk is full; upload again later");
}
