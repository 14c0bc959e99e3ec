/** Blob transfers as promises: the same blob is uploaded, or downloaded, once at a time for all that wait. */
import type { TransferListener } from '@rma/peer/blob-transfer';
import type { BlobTransfers } from '@rma/peer/blob-transfers';
import { sourceOf } from '@rma/peer/blob-upload';
import type { BlobRef } from '@rma/protocol/payload';
import { type Deferred, deferred } from './deferred.js';

type Pending = Map<string, Deferred<Uint8Array | undefined>>;

export class Blobs {
  readonly #transfers: BlobTransfers;
  readonly #uploads: Pending = new Map();
  readonly #downloads: Pending = new Map();

  constructor(transfers: BlobTransfers) {
    this.#transfers = transfers;
  }

  /** Settles when the coordinator holds the blob. */
  async upload(hash: string, bytes: Uint8Array): Promise<void> {
    await once(this.#uploads, hash, (listener) => this.#transfers.upload(hash, sourceOf(bytes), {}, listener));
  }

  /** @param task that names it: with it, an admin reads what belongs to others */
  async download({ $blob: hash, size }: BlobRef, task?: string): Promise<Uint8Array> {
    const scope = task === undefined ? {} : { task };
    const bytes = await once(this.#downloads, hash, (listener) =>
      this.#transfers.download(hash, size, scope, listener),
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
}

function once(pending: Pending, hash: string, begin: (listener: TransferListener) => void) {
  const known = pending.get(hash);
  if (known) return known.promise;
  const transfer = deferred<Uint8Array | undefined>();
  pending.set(hash, transfer);
  begin({
    done: (bytes) => {
      pending.delete(hash);
      transfer.resolve(bytes);
    },
    failed: (error) => {
      pending.delete(hash);
      transfer.reject(error);
    },
  });
  return transfer.promise;
}
