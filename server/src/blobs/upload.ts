/** One upload under way: bytes are appended to its part in order; `end` checks the whole. */
import type { FileHandle } from 'node:fs/promises';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import { StorageFull } from '../store/store.js';

export interface UploadPort {
  /** Whether the disk is full: nothing more is written then. */
  refused(): boolean;
  /** So many bytes are on disk, `offset` included. */
  wrote(bytes: number): Promise<void>;
  /** All bytes are on disk, and synced. */
  whole(): Promise<void>;
  /** It is over, whatever became of it. */
  done(): void;
}

export class Upload {
  #last: Promise<void> = Promise.resolve();
  #received: number;
  #written: number;
  #closed = false;

  constructor(
    readonly file: FileHandle,
    /** Bytes that are held already: the sender continues here. */
    readonly offset: number,
    readonly size: number,
    private readonly port: UploadPort,
  ) {
    this.#received = offset;
    this.#written = offset;
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
        this.#written += bytes.length;
        await this.port.wrote(this.#written);
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

export function asStorageFull(error: unknown): unknown {
  return error instanceof StorageFull || hasErrorCode(error, 'ENOSPC', 'EDQUOT') ? storageFull() : error;
}

export function storageFull(): ProtocolError {
  return new ProtocolError('storage_full', "the coordinator's disk is full; upload again later");
}
