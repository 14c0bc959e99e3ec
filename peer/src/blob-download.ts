/** One download of a blob over a stream: goes on after the bytes that are here, grants credit as they come. Pure. */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { type BlobScope, BlobTransfer, type TransferListener } from './blob-transfer.js';
import type { TokenBucket } from './token-bucket.js';

/** A limited rate grants no less at once, so that it is not paid in messages. */
const MIN_GRANT_BYTES = 4_096;

export class BlobDownload extends BlobTransfer {
  readonly direction = 'down';
  /** Bytes that are here. */
  received = 0;
  /** Bytes that the coordinator may still send. */
  #granted = 0;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  /** As its reference says; undefined: as the coordinator says. */
  readonly #size: number | undefined;

  constructor(blob: string, size: number | undefined, scope: BlobScope, listener: TransferListener) {
    super(blob, scope, listener);
    this.#size = size;
  }

  /** All that came. */
  get bytes(): Uint8Array {
    return this.#bytes ?? new Uint8Array();
  }

  /** received = announced size. */
  get isComplete(): boolean {
    return this.#bytes !== undefined && this.received === this.#bytes.length;
  }

  /** The credit that goes with asking for it. */
  begin(rate: TokenBucket | undefined, nowMs: number): number {
    const credit = Math.max(0, Math.min(LIMITS.streamWindowBytes, Math.floor(rate?.available(nowMs) ?? Infinity)));
    rate?.take(credit, nowMs);
    this.#granted = credit;
    return credit;
  }

  /** @throws ProtocolError where the size is another than expected, or too large */
  head(size: number): void {
    if (size > LIMITS.maxBlobBytes) {
      const limit = `at most ${LIMITS.maxBlobBytes} (maxBlobBytes) are taken`;
      throw new ProtocolError('too_large', `blob ${this.blob} has ${size} bytes; ${limit}`);
    }
    const expected = this.#size ?? this.#bytes?.length ?? size;
    if (size !== expected)
      throw new ProtocolError(
        'invalid',
        `blob ${this.blob} has ${size} bytes, not the ${expected} that were announced`,
      );
    this.#bytes ??= new Uint8Array(size);
  }

  /** @throws ProtocolError where more comes than was announced */
  data(bytes: Uint8Array): void {
    if (!this.#bytes) return;
    if (this.received + bytes.length > this.#bytes.length)
      throw new ProtocolError('invalid', `more than the ${this.#bytes.length} bytes of blob ${this.blob} came`);
    this.#bytes.set(bytes, this.received);
    this.received += bytes.length;
    this.#granted = Math.max(0, this.#granted - bytes.length);
  }

  /** What came cannot be trusted: from the first byte again. */
  restart(): void {
    this.#bytes = undefined;
    this.received = 0;
  }

  /** The credit to grant now: once half a window was used, or as a limited rate admits; else 0. */
  takeGrant(rate: TokenBucket | undefined, nowMs: number): number {
    if (!this.#bytes) return 0;
    const left = this.#bytes.length - this.received - this.#granted;
    const room = LIMITS.streamWindowBytes - this.#granted;
    if (left <= 0) return 0;
    let grant = room;
    if (rate?.limited) {
      const want = Math.min(room, left);
      grant = Math.min(want, Math.floor(rate.available(nowMs)));
      if (grant < Math.min(want, MIN_GRANT_BYTES)) return 0;
    } else if (room < LIMITS.streamWindowBytes / 2) return 0;
    rate?.take(grant, nowMs);
    this.#granted += grant;
    return grant;
  }
}
