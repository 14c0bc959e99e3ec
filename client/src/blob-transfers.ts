/**
 * Uploads and downloads of blobs: a few at a time, each on its stream of the session, resumed in the next session where
 * one is lost, tried again where the coordinator cannot just now. No I/O.
 */
import { retryDelayMs } from '@rma/protocol/backoff';
import type { Down } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { BlobRef } from '@rma/protocol/payload';
import type { Up } from '@rma/protocol/up';
import { BlobDownload } from './blob-download.js';
import { BlobUpload } from './blob-upload.js';
import { errorFromWire, isTemporary } from './task-book.js';

type Transfer = BlobUpload | BlobDownload;

/** At once, of each kind; the coordinator admits LIMITS.maxStreams streams a session. */
const MAX_OPEN = 8;
const FIRST_RETRY_MS = 250;

export class BlobTransfers {
  readonly #uploads = new Map<string, BlobUpload>();
  readonly #downloads = new Map<string, BlobDownload>();
  /** In the order in which they take turns. */
  readonly #open = new Map<number, Transfer>();
  #idle: Transfer[] = [];
  #control: Up[] = [];
  #nextStream = 1;
  #failures = 0;
  #retryAtMs: number | undefined;
  #postponed: Transfer[] = [];

  /** Settles when the coordinator holds the blob. The same blob is uploaded once. */
  upload(hash: string, bytes: Uint8Array): Promise<void> {
    let upload = this.#uploads.get(hash);
    if (!upload) {
      upload = new BlobUpload(hash, bytes);
      this.#uploads.set(hash, upload);
      this.#idle.push(upload);
    }
    return upload.wait();
  }

  /** The bytes, not verified yet. The same blob is downloaded once at a time. */
  download({ $blob: hash, size }: BlobRef, task?: string): Promise<Uint8Array> {
    let download = this.#downloads.get(hash);
    if (!download) {
      download = new BlobDownload(hash, size, task);
      this.#downloads.set(hash, download);
      this.#idle.push(download);
    }
    return download.wait();
  }

  get size(): number {
    return this.#uploads.size + this.#downloads.size;
  }

  /** Handles what concerns a stream; false for every other message. */
  receive(message: Down, nowMs: number, random: number): boolean {
    switch (message.type) {
      case 'blob.ready':
        this.#of(message.stream, BlobUpload)?.ready(message.offset, message.credit);
        return true;
      case 'stream.credit':
        this.#of(message.stream, BlobUpload)?.credit(message.bytes);
        return true;
      case 'blob.stored':
        this.#settle(message.stream, (transfer) => transfer instanceof BlobUpload && transfer.stored());
        return true;
      case 'blob.head':
        this.#check(message.stream, (download) => download.head(message.size));
        return true;
      case 'stream.end':
        this.#check(message.stream, (download) => {
          download.ended();
          this.#settle(message.stream, () => undefined);
        });
        return true;
      case 'stream.abort':
        this.#aborted(message.stream, errorFromWire(message.error), nowMs, random);
        return true;
      default:
        return false;
    }
  }

  data(stream: number, bytes: Uint8Array): void {
    this.#check(stream, (download) => {
      download.data(bytes);
      const credit = download.takeCredit();
      if (credit > 0) this.#control.push({ type: 'stream.credit', stream, bytes: credit });
    });
  }

  /** Streams belong to a session: what was open resumes in the next. */
  lost(): void {
    this.#open.clear();
    this.#control = [];
    this.#postponed = [];
    this.#retryAtMs = undefined;
    this.#nextStream = 1;
    this.#idle = [...this.#uploads.values(), ...this.#downloads.values()];
    for (const transfer of this.#idle) transfer.state = { name: 'idle' };
  }

  failed(error: Error): void {
    const all = [...this.#uploads.values(), ...this.#downloads.values()];
    this.#uploads.clear();
    this.#downloads.clear();
    this.#idle = [];
    this.#open.clear();
    for (const transfer of all) transfer.failed(error);
  }

  dueAtMs(): number | undefined {
    return this.#retryAtMs;
  }

  tick(nowMs: number): void {
    if (this.#retryAtMs === undefined || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = undefined;
    this.#idle.push(...this.#postponed);
    this.#postponed = [];
  }

  /** Messages that open streams, grant credit or give streams up. */
  takeControl(): Up[] {
    while (this.#idle.length > 0 && this.#open.size < MAX_OPEN) this.#start(this.#idle.shift() as Transfer);
    const control = this.#control;
    this.#control = [];
    return control;
  }

  /** The next piece of an upload, each upload in turn: a data frame, or the message that ends its stream. */
  takeData(): Uint8Array | Up | undefined {
    for (const [stream, transfer] of this.#open) {
      if (!(transfer instanceof BlobUpload)) continue;
      const next = transfer.take();
      if (next === undefined) continue;
      this.#open.delete(stream);
      this.#open.set(stream, transfer);
      return next === 'end' ? { type: 'stream.end', stream } : next;
    }
    return undefined;
  }

  #start(transfer: Transfer): void {
    const stream = this.#nextStream;
    this.#nextStream += 1;
    transfer.state = { name: 'asked', stream };
    this.#open.set(stream, transfer);
    const { hash: blob } = transfer;
    if (transfer instanceof BlobUpload)
      this.#control.push({ type: 'blob.put', stream, blob, size: transfer.bytes.length });
    else {
      const credit = LIMITS.streamWindowBytes;
      const { task, received: offset } = transfer;
      this.#control.push({ type: 'blob.get', stream, blob, offset, credit, ...(task === undefined ? {} : { task }) });
    }
  }

  #of<T extends Transfer>(stream: number, what: new (...args: never[]) => T): T | undefined {
    const transfer = this.#open.get(stream);
    return transfer instanceof what ? transfer : undefined;
  }

  /** Runs a step of a download; a step that throws ends it. */
  #check(stream: number, step: (download: BlobDownload) => void): void {
    const download = this.#of(stream, BlobDownload);
    if (!download) return;
    try {
      step(download);
    } catch (error) {
      const fault = error instanceof ProtocolError ? error : new ProtocolError('internal', String(error));
      this.#control.push({ type: 'stream.abort', stream, error: fault.toWire() });
      this.#settle(stream, () => download.failed(fault));
    }
  }

  #settle(stream: number, settle: (transfer: Transfer) => void): void {
    const transfer = this.#open.get(stream);
    if (!transfer) return;
    this.#failures = 0;
    this.#open.delete(stream);
    if (transfer instanceof BlobUpload) this.#uploads.delete(transfer.hash);
    else this.#downloads.delete(transfer.hash);
    settle(transfer);
  }

  #aborted(stream: number, error: ProtocolError, nowMs: number, random: number): void {
    const transfer = this.#open.get(stream);
    if (!transfer) return;
    if (!isTemporary(error.kind)) {
      this.#settle(stream, () => transfer.failed(error));
      return;
    }
    this.#open.delete(stream);
    transfer.state = { name: 'idle' };
    this.#postponed.push(transfer);
    this.#failures += 1;
    this.#retryAtMs = nowMs + retryDelayMs(Math.min(this.#failures, 7), FIRST_RETRY_MS, random);
  }
}
