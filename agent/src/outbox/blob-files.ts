/**
 * The blobs that unacknowledged results name, as files beside the outbox, each called by its hash. A file lives as long
 * as somebody retains it. Where the disk fails, the bytes stay in memory.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobSource, sourceOf } from '@rma/peer/blob-source';

export class BlobFiles {
  readonly #directory: string;
  readonly #held = new Map<string, number>();
  readonly #inMemory = new Map<string, Uint8Array>();
  readonly #failed: (error: unknown) => void;
  #written = 0;

  /** @param failed told of every write that the disk refused */
  constructor(directory: string, failed: (error: unknown) => void) {
    this.#directory = join(directory, 'blobs');
    this.#failed = failed;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** Keeps the blobs of results that were found in the outbox, and removes all other files. */
  restore(blobs: Iterable<string>): void {
    for (const blob of blobs) this.#retain(blob);
    for (const name of readdirSync(this.#directory)) {
      if (!this.#held.has(name)) rmSync(join(this.#directory, name), { force: true });
    }
  }

  /** Writes a blob, unless it is there, and retains it. */
  async store(blob: string, bytes: Uint8Array): Promise<void> {
    this.#retain(blob);
    if (this.source(blob) !== undefined) return;
    this.#written += 1;
    const part = join(this.#directory, `${blob}.${this.#written}.part`);
    try {
      await writeFile(part, bytes, { mode: 0o600 });
      await rename(part, this.#path(blob));
    } catch (error) {
      this.#inMemory.set(blob, bytes);
      await rm(part, { force: true }).catch(this.#failed);
      this.#failed(error);
    }
    // Released while it was written.
    if (!this.#held.has(blob)) this.#remove(blob);
  }

  /** One who retained it does not need it any more. */
  release(blob: string): void {
    const holders = this.#held.get(blob) ?? 0;
    if (holders > 1) this.#held.set(blob, holders - 1);
    else {
      this.#held.delete(blob);
      this.#remove(blob);
    }
  }

  /** Its bytes, or undefined when it is not here. */
  source(blob: string): BlobSource | undefined {
    const bytes = this.#inMemory.get(blob);
    if (bytes !== undefined) return sourceOf(bytes);
    const path = this.#path(blob);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    return size === undefined ? undefined : { size, read: (offset, length) => readPart(path, offset, length) };
  }

  #retain(blob: string): void {
    this.#held.set(blob, (this.#held.get(blob) ?? 0) + 1);
  }

  #remove(blob: string): void {
    this.#inMemory.delete(blob);
    rmSync(this.#path(blob), { force: true });
  }

  #path(blob: string): string {
    return join(this.#directory, blob);
  }
}

function readPart(path: string, offset: number, length: number): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}
