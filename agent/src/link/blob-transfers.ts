/**
 * The blobs that travel between this worker and the coordinator: inputs down, outputs up, a few at a time, each resumed
 * from where it was when the connection came back. A pure machine over streams; bytes to upload come from a source.
 */
import { createHash, type Hash } from 'node:crypto';
import { TokenBucket } from '@rma/peer/token-bucket';
import { retryDelayMs } from '@rma/protocol/backoff';
import type { Down } from '@rma/protocol/down';
import type { ErrorKind, WireError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { encodeStreamData } from '@rma/protocol/stream';
import type { AttemptRef } from '@rma/protocol/task';
import type { Up } from '@rma/protocol/up';
import type { BlobSource } from '../outbox/blob-source.js';

/** Transfers of one direction at once; the others wait. */
const MAX_ACTIVE = 4;
/** A transfer on which nothing moved for so long is begun anew. */
const STALLED_MS = 30_000;
/** How often a transfer may fail for reasons that may pass. */
const MAX_FAILURES = 8;
/** A limited rate grants no less at once, so that it is not paid in messages. */
const MIN_GRANT_BYTES = 4_096;
/** Failures that another try may mend. */
const PASSING: readonly ErrorKind[] = ['unavailable', 'rate_limited', 'storage_full', 'internal', 'queue_full'];

interface Common {
  readonly attempt: AttemptRef;
  /** Which attempt it belongs to, for `cancel`. */
  readonly owner: string;
  readonly blob: string;
  stream: number | undefined;
  failures: number;
  notBeforeMs: number;
  movedAtMs: number;
}

interface Download extends Common {
  readonly direction: 'down';
  bytes: Uint8Array | undefined;
  received: number;
  /** Bytes that the coordinator may still send. */
  granted: number;
  hash: Hash;
}

interface Upload extends Common {
  readonly direction: 'up';
  readonly source: BlobSource;
  offset: number;
  credit: number;
  phase: 'asked' | 'sending' | 'sent';
}

type Transfer = Download | Upload;

export type TransferEffect =
  | { readonly do: 'send'; readonly message: Up }
  | { readonly do: 'downloaded'; readonly owner: string; readonly blob: string; readonly bytes: Uint8Array }
  | { readonly do: 'uploaded'; readonly owner: string; readonly blob: string }
  | {
      readonly do: 'failed';
      readonly owner: string;
      readonly blob: string;
      readonly direction: 'up' | 'down';
      readonly error: WireError;
    };

type BlobMessage = Extract<
  Down,
  { type: 'blob.ready' | 'blob.stored' | 'blob.head' | 'stream.credit' | 'stream.end' | 'stream.abort' }
>;

export class BlobTransfers {
  readonly #transfers: Transfer[] = [];
  readonly #streams = new Map<number, Transfer>();
  #effects: TransferEffect[] = [];
  #online = false;
  #nextStream = 1;
  /** What may come in. */
  readonly #down: TokenBucket;
  /** Whose turn it is to send, so that a large upload does not hold up the others. */
  #turn = 0;

  constructor(down = new TokenBucket(Number.POSITIVE_INFINITY, 0)) {
    this.#down = down;
  }

  get size(): number {
    return this.#transfers.length;
  }

  download(owner: string, attempt: AttemptRef, blob: string, nowMs: number): void {
    const common = { attempt, owner, blob, stream: undefined, failures: 0, notBeforeMs: 0, movedAtMs: nowMs };
    this.#transfers.push({
      ...common,
      direction: 'down',
      bytes: undefined,
      received: 0,
      granted: 0,
      hash: createHash('sha256'),
    });
    this.#startNext(nowMs);
  }

  upload(owner: string, attempt: AttemptRef, blob: string, source: BlobSource, nowMs: number): void {
    if (this.#transfers.some((other) => other.direction === 'up' && other.owner === owner && other.blob === blob))
      return;
    const common = { attempt, owner, blob, stream: undefined, failures: 0, notBeforeMs: 0, movedAtMs: nowMs };
    this.#transfers.push({ ...common, direction: 'up', source, offset: 0, credit: 0, phase: 'asked' });
    this.#startNext(nowMs);
  }

  /** Ends all transfers of an attempt. */
  cancel(owner: string, nowMs: number): void {
    for (const transfer of this.#transfers.filter((candidate) => candidate.owner === owner)) {
      this.#abort(transfer, 'not needed any more');
      this.#remove(transfer);
    }
    this.#startNext(nowMs);
  }

  online(nowMs: number): void {
    this.#online = true;
    this.#nextStream = 1;
    this.#startNext(nowMs);
  }

  offline(): void {
    this.#online = false;
    this.#streams.clear();
    for (const transfer of this.#transfers) {
      transfer.stream = undefined;
      transfer.notBeforeMs = 0;
    }
  }

  /** Starts what waited long enough, and anew what stands still. */
  tick(nowMs: number): void {
    for (const transfer of [...this.#streams.values()]) {
      if (nowMs - transfer.movedAtMs < STALLED_MS) continue;
      this.#abort(transfer, `nothing moved for ${STALLED_MS / 1_000} s`);
      this.#retry(transfer, { kind: 'unavailable', message: 'the transfer stood still' }, nowMs);
    }
    this.#startNext(nowMs);
  }

  received(message: BlobMessage, nowMs: number): void {
    const transfer = this.#streams.get(message.stream);
    if (transfer === undefined) return;
    transfer.movedAtMs = nowMs;
    if (message.type === 'stream.abort') this.#failed(transfer, message.error, nowMs);
    else if (transfer.direction === 'up') this.#uploadTold(transfer, message, nowMs);
    else this.#downloadTold(transfer, message, nowMs);
  }

  data(stream: number, bytes: Uint8Array, nowMs: number): void {
    const transfer = this.#streams.get(stream);
    if (transfer?.direction !== 'down' || transfer.bytes === undefined) return;
    transfer.movedAtMs = nowMs;
    if (transfer.received + bytes.length > transfer.bytes.length) {
      this.#abort(transfer, 'more bytes came than were announced');
      this.#restart(transfer, 'more bytes came than were announced', nowMs);
      return;
    }
    transfer.bytes.set(bytes, transfer.received);
    transfer.hash.update(bytes);
    transfer.received += bytes.length;
    transfer.granted = Math.max(0, transfer.granted - bytes.length);
    this.#grant(transfer, nowMs);
  }

  /** Lets more come in where a limited rate held it back. */
  pace(nowMs: number): void {
    for (const transfer of this.#streams.values()) if (transfer.direction === 'down') this.#grant(transfer, nowMs);
  }

  #grant(download: Download, nowMs: number): void {
    const { bytes, granted, received, stream } = download;
    if (bytes === undefined || stream === undefined) return;
    const left = bytes.length - received - granted;
    let more = LIMITS.streamWindowBytes - granted;
    if (left <= 0) return;
    if (this.#down.limited) {
      const want = Math.min(more, left);
      more = Math.min(want, Math.floor(this.#down.available(nowMs)));
      if (more < Math.min(want, MIN_GRANT_BYTES)) return;
    } else if (more < LIMITS.streamWindowBytes / 2) return;
    this.#down.take(more, nowMs);
    download.granted += more;
    download.movedAtMs = nowMs;
    this.#send({ type: 'stream.credit', stream, bytes: more });
  }

  /** The next data frames to upload, in turns, about `budgetBytes` of them. */
  takeData(budgetBytes: number, nowMs: number): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let left = budgetBytes;
    while (left > 0) {
      const ready = this.#transfers.filter(mayUpload);
      if (ready.length === 0) break;
      this.#turn += 1;
      const upload = ready[this.#turn % ready.length];
      const frame = upload && this.#nextFrame(upload, nowMs);
      if (frame === undefined) continue;
      frames.push(frame);
      left -= frame.length;
    }
    return frames;
  }

  takeEffects(): readonly TransferEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Uploads of which all data was handed over since the last call, to be ended after it. */
  takeEnds(): Up[] {
    const ends: Up[] = [];
    for (const transfer of this.#streams.values()) {
      if (transfer.direction !== 'up' || transfer.phase !== 'sending' || transfer.offset < transfer.source.size)
        continue;
      transfer.phase = 'sent';
      if (transfer.stream !== undefined) ends.push({ type: 'stream.end', stream: transfer.stream });
    }
    return ends;
  }

  #nextFrame(upload: Upload, nowMs: number): Uint8Array | undefined {
    const length = Math.min(LIMITS.streamFrameBytes, upload.credit, upload.source.size - upload.offset);
    let bytes: Uint8Array;
    try {
      bytes = upload.source.read(upload.offset, length);
      if (bytes.length === 0) throw new Error('it is shorter than it was');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#abort(upload, 'its bytes cannot be read');
      this.#giveUp(upload, { kind: 'internal', message: `the output's bytes cannot be read from disk: ${why}` }, nowMs);
      return undefined;
    }
    upload.offset += bytes.length;
    upload.credit -= bytes.length;
    upload.movedAtMs = nowMs;
    return encodeStreamData(upload.stream ?? 0, bytes);
  }

  #uploadTold(upload: Upload, message: BlobMessage, nowMs: number): void {
    if (message.type === 'blob.ready') {
      upload.phase = 'sending';
      upload.offset = Math.min(message.offset, upload.source.size);
      upload.credit = message.credit;
    } else if (message.type === 'stream.credit') upload.credit += message.bytes;
    else if (message.type === 'blob.stored') {
      this.#remove(upload);
      this.#effects.push({ do: 'uploaded', owner: upload.owner, blob: upload.blob });
      this.#startNext(nowMs);
    }
  }

  #downloadTold(download: Download, message: BlobMessage, nowMs: number): void {
    if (message.type === 'blob.head') {
      if (message.size > LIMITS.maxBlobBytes) {
        const text = `blob ${download.blob} has ${message.size} bytes; at most ${LIMITS.maxBlobBytes} (maxBlobBytes) are taken`;
        this.#abort(download, text);
        this.#giveUp(download, { kind: 'too_large', message: text }, nowMs);
      } else if (download.bytes?.length !== message.size) {
        if (download.received > 0) this.#restart(download, 'its size changed', nowMs);
        else download.bytes = new Uint8Array(message.size);
        this.#grant(download, nowMs);
      }
    } else if (message.type === 'stream.end') this.#downloadEnded(download, nowMs);
  }

  #downloadEnded(download: Download, nowMs: number): void {
    const { bytes, received } = download;
    if (bytes === undefined || received < bytes.length) {
      this.#retry(download, { kind: 'unavailable', message: 'the blob ended early' }, nowMs);
    } else if (download.hash.digest('hex') !== download.blob) {
      this.#restart(download, 'its bytes do not match its hash', nowMs);
    } else {
      this.#remove(download);
      this.#effects.push({ do: 'downloaded', owner: download.owner, blob: download.blob, bytes });
      this.#startNext(nowMs);
    }
  }

  /** From the first byte: what was received cannot be trusted. */
  #restart(download: Download, why: string, nowMs: number): void {
    download.bytes = undefined;
    download.received = 0;
    download.hash = createHash('sha256');
    this.#retry(download, { kind: 'invalid', message: `blob ${download.blob}: ${why}` }, nowMs);
  }

  #failed(transfer: Transfer, error: WireError, nowMs: number): void {
    // An upload that the coordinator found damaged may have been damaged on the way.
    const passing = PASSING.includes(error.kind) || (transfer.direction === 'up' && error.kind === 'invalid');
    if (passing) this.#retry(transfer, error, nowMs);
    else this.#giveUp(transfer, error, nowMs);
  }

  #retry(transfer: Transfer, error: WireError, nowMs: number): void {
    this.#detach(transfer);
    // Only a fault of the data counts; a coordinator that is full or busy is waited for.
    if (error.kind === 'invalid' || error.kind === 'internal') transfer.failures += 2;
    else if (transfer.failures < MAX_FAILURES - 2) transfer.failures += 1;
    if (transfer.failures >= MAX_FAILURES) this.#giveUp(transfer, error, nowMs);
    else transfer.notBeforeMs = nowMs + retryDelayMs(transfer.failures, 200, 1);
    this.#startNext(nowMs);
  }

  #giveUp(transfer: Transfer, error: WireError, nowMs: number): void {
    this.#remove(transfer);
    const { owner, blob, direction } = transfer;
    this.#effects.push({ do: 'failed', owner, blob, direction, error });
    this.#startNext(nowMs);
  }

  #startNext(nowMs: number): void {
    if (!this.#online) return;
    for (const transfer of this.#transfers) {
      if (transfer.stream !== undefined || transfer.notBeforeMs > nowMs || !this.#mayStart(transfer)) continue;
      const stream = this.#nextStream;
      this.#nextStream += 1;
      transfer.stream = stream;
      transfer.movedAtMs = nowMs;
      this.#streams.set(stream, transfer);
      const { blob, attempt } = transfer;
      if (transfer.direction === 'up') {
        transfer.phase = 'asked';
        transfer.credit = 0;
        this.#send({ type: 'blob.put', stream, blob, size: transfer.source.size, attempt });
      } else {
        const credit = Math.max(0, Math.min(LIMITS.streamWindowBytes, Math.floor(this.#down.available(nowMs))));
        this.#down.take(credit, nowMs);
        transfer.granted = credit;
        this.#send({ type: 'blob.get', stream, blob, offset: transfer.received, credit, attempt });
      }
    }
  }

  #mayStart(transfer: Transfer): boolean {
    let active = 0;
    for (const other of this.#streams.values()) {
      if (other.direction !== transfer.direction) continue;
      // The same blob twice at once would be refused; the second finds it stored.
      if (other.blob === transfer.blob && transfer.direction === 'up') return false;
      active += 1;
    }
    return active < MAX_ACTIVE;
  }

  #abort(transfer: Transfer, why: string): void {
    if (transfer.stream === undefined || !this.#online) return;
    this.#send({ type: 'stream.abort', stream: transfer.stream, error: { kind: 'unavailable', message: why } });
    this.#detach(transfer);
  }

  #detach(transfer: Transfer): void {
    if (transfer.stream !== undefined) this.#streams.delete(transfer.stream);
    transfer.stream = undefined;
  }

  #remove(transfer: Transfer): void {
    this.#detach(transfer);
    const at = this.#transfers.indexOf(transfer);
    if (at >= 0) this.#transfers.splice(at, 1);
  }

  #send(message: Up): void {
    this.#effects.push({ do: 'send', message });
  }
}

function mayUpload(transfer: Transfer): transfer is Upload {
  return (
    transfer.direction === 'up' &&
    transfer.stream !== undefined &&
    transfer.phase === 'sending' &&
    transfer.credit > 0 &&
    transfer.offset < transfer.source.size
  );
}
