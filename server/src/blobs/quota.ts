/**
 * How much an uploader may hold that no task names. Named blobs are bounded by the tasks that name them, and these by their
 * own limits; what nobody names would otherwise fill the disk for an hour.
 */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';

export interface BlobQuotas {
  /** Unnamed blobs of one uploader, a client's subject or a worker, partial uploads included. */
  readonly blobs: number;
  /** Their bytes. At least what one result may name: `maxBlobsPerTask x maxBlobBytes`. */
  readonly bytes: number;
  /** Unnamed blobs for one attempt: as many as its result may name. */
  readonly blobsPerAttempt: number;
}

export const DEFAULT_BLOB_QUOTAS: BlobQuotas = {
  blobs: 1_024,
  bytes: 4 * 1_073_741_824,
  blobsPerAttempt: LIMITS.maxBlobsPerTask,
};

/** What an uploader holds, with the upload that asks to be admitted. */
export interface BlobUsage {
  readonly blobs: number;
  readonly bytes: number;
  /** Stored for its attempt, without the one that asks; 0 without an attempt. */
  readonly ofAttempt: number;
}

/**
 * @param room bytes that all uploads together may still take. One uploader takes at most half of it, so that others find
 *   some, too; a single blob is always admitted while it fits
 */
export function quotaRefusal(quotas: BlobQuotas, usage: BlobUsage, room: number): ProtocolError | undefined {
  if (usage.ofAttempt >= quotas.blobsPerAttempt) {
    const message = `${usage.ofAttempt} blobs were stored for this attempt, and a result names ${quotas.blobsPerAttempt} at most (maxBlobsPerTask)`;
    return new ProtocolError('too_large', message);
  }
  const bytes = Math.min(quotas.bytes, Math.max(LIMITS.maxBlobBytes, room / 2));
  if (usage.blobs <= quotas.blobs && usage.bytes <= bytes) return undefined;
  return new ProtocolError(
    'rate_limited',
    `${usage.blobs} blobs of ${usage.bytes} bytes would be held for you that no task names, ${quotas.blobs} of ${Math.floor(bytes)} bytes are admitted; name them in tasks or results, and upload the rest then`,
  );
}
