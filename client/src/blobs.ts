/**
 * Blob transfers as promises: the same blob is uploaded, or downloaded, once at a time for all that wait. The code for
 * them is loaded with the first one, because most pages and programs never have any.
 */
import { sourceOf } from '@rma/peer/blob-source';
import type { TransferListener } from '@rma/peer/blob-transfer';
import type { BlobTransfers } from '@rma/peer/blob-transfers';
import type { BlobRef } from '@rma/protocol/payload';
import { type Deferred, deferred } from './deferred.js';

type Pending = Map<string, Deferred<Uint8Array | undefined>>;

export interface BlobsPort {
  attachBlobs(transfers: BlobTransfers): void;
  flushSoon(): void;
}

export class Blobs {
  readonly #port: BlobsPort;
  readonly #uploads: Pending = new Map();
  readonly #downloads: Pending = new Map();
  #loading: Promise<BlobTransfers> | undefined;

  constructor(port: BlobsPort) {
    this.#port = port;
  }

  /** Settles when the coordinator holds the blob. */
  async upload(hash: string, bytes: Uint8Array): Promise<void> {
    await this.#once(this.#uploads, hash, (transfers, listener) =>
      transfers.upload(hash, sourceOf(bytes), {}, listener),
    );
  }

  /** @param task that names it: with it, an admin reads what belongs to others */
  async download({ $blob: hash, size }: BlobRef, task?: string): Promise<Uint8Array> {
    const scope = task === undefined ? {} : { task };
    const bytes = await this.#once(this.#downloads, hash, (transfers, listener) =>
      transfers.download(hash, size, scope, listener),
    );
    return bytes as Uint8Array;
  }

  /** Nothing more will come. */
  failed(error: Error): void {
    for (const pending of [this.#uploads, this.#downloads]) {
      const all = [...pending.values()];
      pending.clear();
      for (const { reject } of all) reject(error);
    }
  }

  #once(
    pending: Pending,
    hash: string,
    begin: (transfers: BlobTransfers, listener: TransferListener) => void,
  ): Promise<Uint8Array | undefined> {
    const known = pending.get(hash);
    if (known) return known.promise;
    const transfer = deferred<Uint8Array | undefined>();
    pending.set(hash, transfer);
    const failed = (error: Error) => {
      pending.delete(hash);
      transfer.reject(error);
    };
    const done = (bytes: Uint8Array | undefined) => {
      pending.delete(hash);
      transfer.resolve(bytes);
    };
    this.#load().then((transfers) => {
      // Closed meanwhile.
      if (pending.get(hash) !== transfer) return;
      begin(transfers, { done, failed });
      this.#port.flushSoon();
    }, failed);
    return transfer.promise;
  }

  #load(): Promise<BlobTransfers> {
    this.#loading ??= import('@rma/peer/blob-transfers').then(({ BlobTransfers }) => {
      const transfers = new BlobTransfers();
      this.#port.attachBlobs(transfers);
      return transfers;
    });
    return this.#loading;
  }
}
