/** One upload of a blob over a stream: begins where the coordinator says, sends within credit. Pure. */
import { LIMITS } from '@rma/protocol/limits';
import { encodeStreamData } from '@rma/protocol/stream';
import type { BlobSource } from './blob-source.js';
import { type BlobScope, BlobTransfer, type TransferListener } from './blob-transfer.js';

export class BlobUpload extends BlobTransfer {
  readonly direction = 'up';
  /** 0 <= offset <= source.size: the next byte to send. */
  #offset = 0;
  /** Bytes that the coordinator still takes. */
  #credit = 0;
  #phase: 'asked' | 'sending' | 'sent' = 'asked';

  constructor(
    blob: string,
    readonly source: BlobSource,
    scope: BlobScope,
    listener: TransferListener,
  ) {
    super(blob, scope, listener);
  }

  /** Its stream was asked for; nothing may be sent yet. */
  asked(): void {
    this.#phase = 'asked';
    this.#credit = 0;
  }

  ready(offset: number, credit: number): void {
    if (this.#phase !== 'asked') return;
    this.#phase = 'sending';
    this.#offset = Math.min(offset, this.source.size);
    this.#credit = credit;
  }

  credit(bytes: number): void {
    this.#credit += bytes;
  }

  /** Whether `take` has something now. */
  get hasNext(): boolean {
    return this.#phase === 'sending' && (this.#credit > 0 || this.#offset === this.source.size);
  }

  /** The next data frame; `end` after the last. Only while `hasNext`. @throws Error where the source cannot be read */
  take(): Uint8Array | 'end' {
    const left = this.source.size - this.#offset;
    if (left === 0) {
      this.#phase = 'sent';
      return 'end';
    }
    const bytes = this.source.read(this.#offset, Math.min(left, this.#credit, LIMITS.streamFrameBytes));
    if (bytes.length === 0) throw new Error('it is shorter than it was');
    this.#offset += bytes.length;
    this.#credit -= bytes.length;
    return encodeStreamData(this.stream, bytes);
  }
}
