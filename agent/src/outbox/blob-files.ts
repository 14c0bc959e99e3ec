/**
 * The blobs of unacknowledged results, as files beside the outbox, named by their hash and reference-counted. When a write
 * fails, the bytes stay in memory.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobSource, sourceOf } from '@rma/peer/blob-source';

export class BlobFiles {
  readonly #directory: string;
  /** References by blob. */
  readonly #references = new Map<string, number>();
  readonly #inMemory = new Map<string, Uint8Array>();
  readonly #failed: (error: unknown) => void;
  #written = 0;

  /** @param failed called with the error of every write that failed */
  constructor(directory: string, failed: (error: unknown) => void) {
    this.#directory = join(directory, 'blobs');
    this.#failed = failed;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** Retains the blobs of the outbox's results, and removes all other files. */
  restore(blobs: Iterable<string>): void {
    for (const blob of blobs) this.#retain(blob);
    for (const name of readdirSync(this.#directory)) {
      if (!this.#references.has(name)) rmSync(join(this.#directory, name), { force: true });
    }
  }

  /** Retains a blob, and writes it unless it exists. */
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
    // It may have been released during the write.
    if (!this.#references.has(blob)) this.#remove(blob);
  }

  /** Drops one reference; the last one removes the file. */
  release(blob: string): void {
    const references = this.#references.get(blob) ?? 0;
    if (references > 1) this.#references.set(blob, references - 1);
    else {
      this.#references.delete(blob);
      this.#remove(blob);
    }
  }

  /** Undefined for a blob that is not stored. */
  source(blob: string): BlobSource | undefined {
    const bytes = this.#inMemory.get(blob);
    if (bytes !== undefined) return sourceOf(bytes);
    const path = this.#path(blob);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    return size === undefined ? undefined : { size, read: (offset, length) => readPart(path, offset, length) };
  }

  #retain(blob: string): void {
    this.#references.set(blob, (this.#references.get(blob) ?? 0) + 1);
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
