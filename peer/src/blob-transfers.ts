/**
 * The blobs that travel between this side and the coordinator: a few at a time, each on a stream of the session, resumed
 * in the next session where one is lost, tried again where the coordinator cannot just now. A pure state machine: what
 * came and the time go in; messages, data frames, and bytes whose hash must be checked come out.
 */
import { retryDelayMs } from '@rma/protocol/backoff';
import type { Down } from '@rma/protocol/down';
import { type ErrorKind, errorMessage, ProtocolError } from '@rma/protocol/error';
import type { Up } from '@rma/protocol/up';
import { BlobDownload } from './blob-download.js';
import type { BlobSource } from './blob-source.js';
import type { BlobScope, BlobTransfer, TransferListener } from './blob-transfer.js';
import { BlobUpload } from './blob-upload.js';
import type { TokenBucket } from './token-bucket.js';

type Transfer = BlobUpload | BlobDownload;

/** Transfers of one direction at once; twice this is well below LIMITS.maxStreams. */
const MAX_OPEN = 4;
/** A transfer on which the coordinator moved nothing for so long is begun anew. */
const STALLED_MS = 30_000;
/** Tries that may come to nothing by damage or a defect; a coordinator that is full or busy is tried for ever. */
const MAX_FAULTS = 2;
const FIRST_RETRY_MS = 250;
/** How often bulk data goes on while its rate is limited. */
const PACE_MS = 50;
/** Errors that pass by themselves (PROTOCOL.md, errors). */
const TEMPORARY: readonly ErrorKind[] = ['storage_full', 'unavailable', 'rate_limited', 'queue_full'];

/** The rate of bulk data each way; without one, as fast as credit and the uplink admit. */
export interface BlobRates {
  readonly up: TokenBucket;
  readonly down: TokenBucket;
}

export class BlobTransfers {
  readonly #rates: BlobRates | undefined;
  readonly #all = new Set<Transfer>();
  readonly #queued: Record<'up' | 'down', Transfer[]> = { up: [], down: [] };
  readonly #delayed = new Set<Transfer>();
  /** By stream, in the order in which uploads take turns. */
  readonly #open = new Map<number, Transfer>();
  readonly #openCount = { up: 0, down: 0 };
  /** Blobs of open uploads: a session's second upload of the same blob would be refused. */
  readonly #uploading = new Set<string>();
  #isOnline = false;
  #nextStream = 1;
  #control: Up[] = [];
  #unchecked: BlobDownload[] = [];
  #settled: (() => void)[] = [];
  #retryAtMs = Number.POSITIVE_INFINITY;
  /** When a limited rate admits more; undefined: it holds nothing back. */
  #paceAtMs: number | undefined;

  constructor(rates?: BlobRates) {
    this.#rates = rates;
  }

  /** Transfers that are not settled. */
  get size(): number {
    return this.#all.size;
  }

  upload(blob: string, source: BlobSource, scope: BlobScope, listener: TransferListener): BlobTransfer {
    return this.#add(new BlobUpload(blob, source, scope, listener));
  }

  /** @param size as the blob's reference says, where there is one; another size fails the download */
  download(blob: string, size: number | undefined, scope: BlobScope, listener: TransferListener): BlobTransfer {
    return this.#add(new BlobDownload(blob, size, scope, listener));
  }

  /** Ends it; its listener is not called. */
  cancel(transfer: BlobTransfer): void {
    if (transfer.state === 'open') this.#abort(transfer as Transfer, 'unavailable', 'not needed any more');
    this.#remove(transfer as Transfer);
  }

  online(): void {
    this.#isOnline = true;
    this.#nextStream = 1;
  }

  /** Streams belong to a session: what was open or delayed is begun again in the next, where it was. */
  offline(): void {
    this.#isOnline = false;
    this.#control = [];
    const again = [...this.#open.values(), ...this.#delayed];
    this.#open.clear();
    this.#delayed.clear();
    this.#uploading.clear();
    this.#openCount.up = 0;
    this.#openCount.down = 0;
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    this.#paceAtMs = undefined;
    for (const transfer of again) this.#enqueue(transfer);
  }

  /** When `tick` has something to do at the latest, beside its regular calls. */
  dueAtMs(): number {
    return Math.min(this.#retryAtMs, this.#paceAtMs ?? Number.POSITIVE_INFINITY);
  }

  tick(nowMs: number, random: number): void {
    for (const transfer of [...this.#open.values()]) {
      // One that waits for the own uplink does not stand still.
      const isOurs = transfer.direction === 'up' && transfer.hasNext;
      if (isOurs || nowMs - transfer.movedAtMs < STALLED_MS) continue;
      this.#abort(transfer, 'unavailable', `nothing moved for ${STALLED_MS / 1_000} s`);
      this.#delay(transfer, nowMs, random);
    }
    if (nowMs >= this.#retryAtMs) {
      this.#retryAtMs = Number.POSITIVE_INFINITY;
      for (const transfer of this.#delayed) {
        if (transfer.retryAtMs > nowMs) this.#retryAtMs = Math.min(this.#retryAtMs, transfer.retryAtMs);
        else if (this.#delayed.delete(transfer)) this.#enqueue(transfer);
      }
    }
    if (this.#paceAtMs !== undefined && nowMs >= this.#paceAtMs) {
      this.#paceAtMs = undefined;
      for (const transfer of this.#open.values()) if (transfer.direction === 'down') this.#grant(transfer, nowMs);
    }
  }

  /** Handles what concerns a stream; false for every other message. */
  received(message: Down, nowMs: number, random: number): boolean {
    switch (message.type) {
      case 'blob.ready':
        this.#stream(message.stream, BlobUpload, nowMs)?.ready(message.offset, message.credit);
        return true;
      case 'stream.credit':
        this.#stream(message.stream, BlobUpload, nowMs)?.credit(message.bytes);
        return true;
      case 'blob.stored': {
        const upload = this.#stream(message.stream, BlobUpload, nowMs);
        if (upload) this.#settle(upload, () => upload.listener.done(undefined));
        return true;
      }
      case 'blob.head':
        this.#advance(message.stream, nowMs, (download) => download.head(message.size));
        return true;
      case 'stream.end': {
        const download = this.#stream(message.stream, BlobDownload, nowMs);
        if (download) this.#ended(download, nowMs, random);
        return true;
      }
      case 'stream.abort': {
        const transfer = this.#open.get(message.stream);
        if (transfer) this.#aborted(transfer, ProtocolError.fromWire(message.error), nowMs, random);
        return true;
      }
      default:
        return false;
    }
  }

  data(stream: number, bytes: Uint8Array, nowMs: number): void {
    this.#advance(stream, nowMs, (download) => download.data(bytes));
  }

  /** Messages that open streams, grant credit or give streams up. */
  takeControl(nowMs: number, random: number): readonly Up[] {
    if (this.#isOnline) for (const direction of ['up', 'down'] as const) this.#openNext(direction, nowMs, random);
    const control = this.#control;
    if (control.length > 0) this.#control = [];
    return control;
  }

  /** The next piece of an upload, each upload in turn: a data frame, or the message that ends its stream. */
  takeData(nowMs: number): Uint8Array | Up | undefined {
    for (const [stream, transfer] of this.#open) {
      if (transfer.direction !== 'up' || !transfer.hasNext) continue;
      const rate = this.#rates?.up;
      if (rate && rate.available(nowMs) <= 0) {
        this.#paceAtMs ??= nowMs + PACE_MS;
        return undefined;
      }
      const next = this.#piece(transfer);
      if (next === undefined) continue;
      transfer.movedAtMs = nowMs;
      this.#open.delete(stream);
      this.#open.set(stream, transfer);
      if (next === 'end') return { type: 'stream.end', stream };
      rate?.take(next.length, nowMs);
      return next;
    }
    return undefined;
  }

  /** Downloads that are complete and not checked yet: `checked` or `uncheckable` must follow for each. */
  takeUnchecked(): readonly BlobDownload[] {
    if (this.#unchecked.length === 0) return this.#unchecked;
    const unchecked = this.#unchecked;
    this.#unchecked = [];
    return unchecked;
  }

  /** @param hash the SHA-256 of a download's bytes, in lower-case hexadecimal */
  checked(download: BlobDownload, hash: string, nowMs: number, random: number): void {
    if (download.state !== 'checking') return;
    if (hash === download.blob) {
      const { bytes } = download;
      this.#settle(download, () => download.listener.done(bytes));
      return;
    }
    download.restart();
    this.#fault(download, `blob ${download.blob} arrived damaged twice: its SHA-256 is another`, nowMs, random);
  }

  /** The platform offers no SHA-256. */
  uncheckable(download: BlobDownload, why: string): void {
    if (download.state === 'checking') this.#fail(download, new ProtocolError('internal', why));
  }

  /** Calls the listeners of what settled since. Not from inside the machine's own steps: they may call it again. */
  deliver(): void {
    for (const notify of this.#settled.splice(0)) notify();
  }

  #add(transfer: Transfer): Transfer {
    this.#all.add(transfer);
    this.#enqueue(transfer);
    return transfer;
  }

  #enqueue(transfer: Transfer): void {
    transfer.state = 'queued';
    this.#queued[transfer.direction].push(transfer);
  }

  #openNext(direction: 'up' | 'down', nowMs: number, random: number): void {
    const queued = this.#queued[direction];
    while (queued.length > 0 && this.#openCount[direction] < MAX_OPEN) {
      const transfer = queued.shift();
      if (transfer?.state !== 'queued') continue;
      // The first one's end makes the second one's short: it is stored by then.
      if (transfer.direction === 'up' && this.#uploading.has(transfer.blob)) this.#delay(transfer, nowMs, random);
      else this.#begin(transfer, nowMs);
    }
  }

  #begin(transfer: Transfer, nowMs: number): void {
    const stream = this.#nextStream;
    this.#nextStream += 1;
    transfer.state = 'open';
    transfer.stream = stream;
    transfer.movedAtMs = nowMs;
    this.#open.set(stream, transfer);
    this.#openCount[transfer.direction] += 1;
    const { blob, scope } = transfer;
    if (transfer.direction === 'up') {
      this.#uploading.add(blob);
      transfer.asked();
      this.#control.push({ type: 'blob.put', stream, blob, size: transfer.source.size, ...scope });
    } else {
      const credit = transfer.begin(this.#rates?.down, nowMs);
      this.#control.push({ type: 'blob.get', stream, blob, offset: transfer.received, credit, ...scope });
    }
  }

  #stream<T extends Transfer>(stream: number, kind: new (...args: never[]) => T, nowMs: number): T | undefined {
    const transfer = this.#open.get(stream);
    if (!(transfer instanceof kind)) return undefined;
    transfer.movedAtMs = nowMs;
    return transfer;
  }

  /** Runs a step of a download; a step that throws fails it. */
  #advance(stream: number, nowMs: number, step: (download: BlobDownload) => void): void {
    const download = this.#stream(stream, BlobDownload, nowMs);
    if (!download) return;
    try {
      step(download);
    } catch (error) {
      const fault = error instanceof ProtocolError ? error : new ProtocolError('internal', String(error));
      this.#abort(download, fault.kind, fault.message);
      this.#fail(download, fault);
      return;
    }
    this.#grant(download, nowMs);
  }

  #grant(download: BlobDownload, nowMs: number): void {
    const bytes = download.takeGrant(this.#rates?.down, nowMs);
    if (bytes > 0) {
      download.movedAtMs = nowMs;
      this.#control.push({ type: 'stream.credit', stream: download.stream, bytes });
    }
    if (this.#rates?.down.limited && !download.isComplete) this.#paceAtMs ??= nowMs + PACE_MS;
  }

  #ended(download: BlobDownload, nowMs: number, random: number): void {
    this.#detach(download);
    if (!download.isComplete) this.#delay(download, nowMs, random);
    else {
      download.state = 'checking';
      this.#unchecked.push(download);
    }
  }

  #aborted(transfer: Transfer, error: ProtocolError, nowMs: number, random: number): void {
    this.#detach(transfer);
    const { kind } = error;
    if (TEMPORARY.includes(kind)) this.#delay(transfer, nowMs, random);
    // An upload that the coordinator found damaged may have been damaged on the way.
    else if (kind === 'internal' || (kind === 'invalid' && transfer.direction === 'up'))
      this.#fault(transfer, error.message, nowMs, random, kind);
    else this.#fail(transfer, error);
  }

  #piece(upload: BlobUpload): Uint8Array | 'end' | undefined {
    try {
      return upload.take();
    } catch (error) {
      const why = errorMessage(error);
      this.#abort(upload, 'internal', 'its bytes cannot be read');
      this.#fail(upload, new ProtocolError('internal', `its bytes cannot be read: ${why}`));
      return undefined;
    }
  }

  #fault(transfer: Transfer, message: string, nowMs: number, random: number, kind: ErrorKind = 'internal'): void {
    transfer.faults += 1;
    if (transfer.faults >= MAX_FAULTS) this.#fail(transfer, new ProtocolError(kind, message));
    else this.#delay(transfer, nowMs, random);
  }

  #delay(transfer: Transfer, nowMs: number, random: number): void {
    this.#detach(transfer);
    transfer.delays += 1;
    transfer.state = 'delayed';
    transfer.retryAtMs = nowMs + retryDelayMs(Math.min(transfer.delays, 7), FIRST_RETRY_MS, random);
    this.#delayed.add(transfer);
    this.#retryAtMs = Math.min(this.#retryAtMs, transfer.retryAtMs);
  }

  #abort(transfer: Transfer, kind: ErrorKind, message: string): void {
    this.#control.push({ type: 'stream.abort', stream: transfer.stream, error: { kind, message } });
    this.#detach(transfer);
  }

  #fail(transfer: Transfer, error: ProtocolError): void {
    this.#settle(transfer, () => transfer.listener.failed(error));
  }

  #settle(transfer: Transfer, notify: () => void): void {
    this.#remove(transfer);
    this.#settled.push(notify);
  }

  #remove(transfer: Transfer): void {
    this.#detach(transfer);
    transfer.state = 'over';
    this.#delayed.delete(transfer);
    this.#all.delete(transfer);
  }

  /** It has no stream any more; the caller moves it on. */
  #detach(transfer: Transfer): void {
    if (transfer.state !== 'open') return;
    this.#open.delete(transfer.stream);
    transfer.state = 'delayed';
    this.#openCount[transfer.direction] -= 1;
    if (transfer.direction === 'up') this.#uploading.delete(transfer.blob);
  }
}
