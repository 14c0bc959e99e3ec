/** One upload of a blob over a stream: resumes where the coordinator says, sends within credit. No I/O. */
import { LIMITS } from '@rma/protocol/limits';
import { encodeStreamData } from '@rma/protocol/stream';

export type UploadState =
  /** Not asked for in this session. */
  | { readonly name: 'idle' }
  | { readonly name: 'asked'; readonly stream: number }
  | { readonly name: 'sending'; readonly stream: number; offset: number; credit: number }
  | { readonly name: 'sent'; readonly stream: number };

export class BlobUpload {
  state: UploadState = { name: 'idle' };
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(
    readonly hash: string,
    readonly bytes: Uint8Array,
  ) {}

  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  stored(): void {
    for (const waiting of this.#waiting) waiting.resolve();
  }

  failed(error: Error): void {
    for (const waiting of this.#waiting) waiting.reject(error);
  }

  ready(offset: number, credit: number): void {
    if (this.state.name !== 'asked') return;
    this.state = { name: 'sending', stream: this.state.stream, offset: Math.min(offset, this.bytes.length), credit };
  }

  credit(bytes: number): void {
    if (this.state.name === 'sending') this.state.credit += bytes;
  }

  /** The next data frame; 'end' when all has left; undefined where credit is short. */
  take(): Uint8Array | 'end' | undefined {
    const { state } = this;
    if (state.name !== 'sending') return undefined;
    const left = this.bytes.length - state.offset;
    if (left === 0) {
      this.state = { name: 'sent', stream: state.stream };
      return 'end';
    }
    const size = Math.min(left, state.credit, LIMITS.streamFrameBytes);
    if (size <= 0) return undefined;
    const frame = encodeStreamData(state.stream, this.bytes.subarray(state.offset, state.offset + size));
    state.offset += size;
    state.credit -= size;
    return frame;
  }
}
