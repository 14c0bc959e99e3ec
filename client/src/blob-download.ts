/** One download of a blob over a stream: resumes after a reconnect, grants credit as bytes arrive. No I/O. */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';

export type DownloadState =
  | { readonly name: 'idle' }
  | { readonly name: 'asked'; readonly stream: number }
  | { readonly name: 'receiving'; readonly stream: number; ungranted: number };

export class BlobDownload {
  state: DownloadState = { name: 'idle' };
  /** Bytes that are here. */
  received = 0;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly #size: number;
  readonly #waiting: { resolve(bytes: Uint8Array): void; reject(error: Error): void }[] = [];

  constructor(
    readonly hash: string,
    size: number,
    /** That names it, where it is known: an admin reads another's blobs by it. */
    readonly task?: string | undefined,
  ) {
    this.#size = size;
  }

  wait(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** @throws ProtocolError where the size is another than the reference says */
  head(size: number): void {
    if (this.state.name !== 'asked') return;
    if (size !== this.#size || size > LIMITS.maxBlobBytes) {
      throw new ProtocolError(
        'invalid',
        `blob ${this.hash} has ${size} bytes, not the ${this.#size} that its reference says`,
      );
    }
    this.#bytes ??= new Uint8Array(size);
    this.state = { name: 'receiving', stream: this.state.stream, ungranted: 0 };
  }

  /** @throws ProtocolError where more comes than was announced */
  data(bytes: Uint8Array): void {
    if (this.state.name !== 'receiving' || !this.#bytes) return;
    if (this.received + bytes.length > this.#size) {
      throw new ProtocolError('invalid', `more than the ${this.#size} bytes of blob ${this.hash} came`);
    }
    this.#bytes.set(bytes, this.received);
    this.received += bytes.length;
    this.state.ungranted += bytes.length;
  }

  /** The credit to grant now, once half a window was used; else 0. */
  takeCredit(): number {
    if (this.state.name !== 'receiving' || this.state.ungranted < LIMITS.streamWindowBytes / 2) return 0;
    const bytes = this.state.ungranted;
    this.state.ungranted = 0;
    return bytes;
  }

  /** @throws ProtocolError where bytes are missing */
  ended(): void {
    if (this.received !== this.#size || !this.#bytes) {
      throw new ProtocolError('unavailable', `blob ${this.hash} ended after ${this.received} of ${this.#size} bytes`);
    }
    for (const waiting of this.#waiting) waiting.resolve(this.#bytes);
  }

  failed(error: Error): void {
    for (const waiting of this.#waiting) waiting.reject(error);
  }
}
