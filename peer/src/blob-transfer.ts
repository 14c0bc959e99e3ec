/** What an upload and a download have in common: which blob, on whose behalf, and how far the transfer is. Pure. */
import type { ProtocolError } from '@rma/protocol/error';
import type { AttemptRef } from '@rma/protocol/task';

/** Who a blob is read or written for: a worker names the attempt, an admin the task of somebody else. */
export interface BlobScope {
  readonly attempt?: AttemptRef;
  readonly task?: string;
}

/** How a transfer ends: by one call of either. */
export interface TransferListener {
  /** Uploaded: the coordinator has it on disk. Downloaded: `bytes` match the hash. */
  done(bytes: Uint8Array | undefined): void;
  failed(error: ProtocolError): void;
}

/**
 * `queued`: waits for its turn. `delayed`: waits for its next try. `open`: has a stream. `checking`: all bytes are here,
 * their hash is being computed. `over`: settled or cancelled.
 */
export type TransferState = 'queued' | 'delayed' | 'open' | 'checking' | 'over';

export abstract class BlobTransfer {
  abstract readonly direction: 'up' | 'down';
  state: TransferState = 'queued';
  /** The number of its stream while `open`. */
  stream = 0;
  /** When it last made progress; monotonic ms. */
  movedAtMs = 0;
  /** When a `delayed` one is tried again. */
  retryAtMs = 0;
  /** Tries that the coordinator could not serve just then. */
  delays = 0;
  /** Tries that came to nothing by damage or a defect. */
  faults = 0;

  constructor(
    readonly blob: string,
    readonly scope: BlobScope,
    readonly listener: TransferListener,
  ) {}
}
