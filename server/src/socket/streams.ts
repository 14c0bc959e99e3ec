/** Blob transfers on the streams of one connection, each within its credit. */
import type { FileHandle } from 'node:fs/promises';
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { UpOf } from '@rma/protocol/up';
import type { BlobStore, UploadScope } from '../blobs/blob-store.js';
import type { Upload } from '../blobs/upload.js';
import type { Connection } from './connection.js';
import { wireErrorOf } from './error-reply.js';

interface Inbound {
  readonly upload: Upload;
  readonly blob: string;
  /** Bytes that the sender may still send. */
  credit: number;
}

interface Outbound {
  readonly file: FileHandle;
  readonly size: number;
  offset: number;
  credit: number;
  sending: boolean;
  closed: boolean;
}

export class Streams {
  readonly #inbound = new Map<number, Inbound>();
  readonly #outbound = new Map<number, Outbound>();
  /** Opening; one that is aborted meanwhile is removed and not opened. */
  readonly #opening = new Set<number>();
  #highest = 0;
  #closed = false;
  #drained: (() => void)[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly blobs: BlobStore,
    private readonly nowMs: () => number,
    private readonly report: (error: unknown) => void,
  ) {}

  get size(): number {
    return this.#inbound.size + this.#outbound.size + this.#opening.size;
  }

  async put(message: UpOf<'blob.put'>, scope: UploadScope): Promise<void> {
    const { stream, blob, size } = message;
    if (!this.#admit(stream)) return;
    try {
      if (await this.blobs.hold(scope, blob)) {
        this.#send({ type: 'blob.stored', stream, blob });
        return;
      }
      const upload = await this.blobs.upload(scope, blob, size);
      if (this.#closed || !this.#opening.has(stream)) return void (await upload.abandon());
      this.#inbound.set(stream, { upload, blob, credit: LIMITS.streamWindowBytes });
      this.#send({ type: 'blob.ready', stream, offset: upload.offset, credit: LIMITS.streamWindowBytes });
    } catch (error) {
      this.#abort(stream, error);
    } finally {
      this.#opening.delete(stream);
    }
  }

  /** @param ownerOf whose blobs may be read; undefined: none */
  async get(message: UpOf<'blob.get'>, ownerOf: string | undefined | Promise<string | undefined>): Promise<void> {
    const { stream, blob, offset, credit } = message;
    if (!this.#admit(stream)) return;
    try {
      const owner = await ownerOf;
      const found = owner === undefined ? undefined : await this.blobs.find(owner, blob);
      if (!found) throw new ProtocolError('not_found', `there is no blob ${blob}`);
      if (offset > found.size) throw new ProtocolError('invalid', `the blob has ${found.size} bytes`, '/offset');
      const file = await this.blobs.open(blob);
      if (this.#closed || !this.#opening.has(stream)) return void (await file.close());
      const outbound: Outbound = { file, size: found.size, offset, credit, sending: false, closed: false };
      this.#outbound.set(stream, outbound);
      this.#send({ type: 'blob.head', stream, size: found.size });
      await this.#pump(stream, outbound);
    } catch (error) {
      this.#abort(stream, error);
    } finally {
      this.#opening.delete(stream);
    }
  }

  data(stream: number, bytes: Uint8Array): void {
    const inbound = this.#inbound.get(stream);
    // Frames still in flight after an abort are dropped.
    if (!inbound || bytes.length === 0) return;
    if (bytes.length > LIMITS.streamFrameBytes || bytes.length > inbound.credit) {
      const limit =
        bytes.length > inbound.credit ? 'its credit' : `${LIMITS.streamFrameBytes} bytes (streamFrameBytes)`;
      this.#abort(stream, new ProtocolError('too_large', `a data frame of ${bytes.length} bytes is above ${limit}`));
      return;
    }
    inbound.credit -= bytes.length;
    inbound.upload.write(bytes).then(
      () => {
        if (this.#inbound.get(stream) !== inbound) return;
        inbound.credit += bytes.length;
        this.#send({ type: 'stream.credit', stream, bytes: bytes.length });
      },
      (error: unknown) => this.#abort(stream, error),
    );
  }

  credit(stream: number, bytes: number): void {
    const outbound = this.#outbound.get(stream);
    if (!outbound) return;
    outbound.credit = Math.min(outbound.credit + bytes, LIMITS.maxBlobBytes);
    this.#pump(stream, outbound).catch((error: unknown) => this.#abort(stream, error));
  }

  async end(stream: number): Promise<void> {
    const inbound = this.#inbound.get(stream);
    if (!inbound) return;
    this.#inbound.delete(stream);
    try {
      await inbound.upload.end();
      this.#send({ type: 'blob.stored', stream, blob: inbound.blob });
    } catch (error) {
      this.#abort(stream, error);
    }
  }

  /** The peer aborted a stream. */
  drop(stream: number): void {
    this.#opening.delete(stream);
    this.#release(stream);
  }

  drain(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  close(): void {
    this.#closed = true;
    this.drain();
    for (const stream of [...this.#inbound.keys(), ...this.#outbound.keys()]) this.#release(stream);
  }

  #admit(stream: number): boolean {
    if (stream <= this.#highest) {
      this.#abort(
        stream,
        new ProtocolError('invalid', `the stream ${stream} was used; numbers must increase`, '/stream'),
      );
      return false;
    }
    this.#highest = stream;
    if (this.size >= LIMITS.maxStreams) {
      this.#abort(stream, new ProtocolError('rate_limited', `${LIMITS.maxStreams} streams are open (maxStreams)`));
      return false;
    }
    this.#opening.add(stream);
    return true;
  }

  async #pump(stream: number, outbound: Outbound): Promise<void> {
    if (outbound.sending) return;
    outbound.sending = true;
    const buffer = Buffer.allocUnsafe(LIMITS.streamFrameBytes);
    while (!outbound.closed && outbound.offset < outbound.size && outbound.credit > 0) {
      const length = Math.min(buffer.length, outbound.credit, outbound.size - outbound.offset);
      const { bytesRead } = await outbound.file.read(buffer, 0, length, outbound.offset);
      if (bytesRead === 0) throw new ProtocolError('internal', 'the blob is shorter than it was');
      if (outbound.closed) break;
      outbound.offset += bytesRead;
      outbound.credit -= bytesRead;
      const sent = this.connection.sendData(stream, buffer.subarray(0, bytesRead), this.nowMs());
      if (sent === 'buffered') await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
    outbound.sending = false;
    if (outbound.closed || outbound.offset < outbound.size) return;
    this.#release(stream);
    this.#send({ type: 'stream.end', stream });
  }

  #send(message: Parameters<Connection['send']>[0]): void {
    if (!this.#closed) this.connection.send(message, this.nowMs());
  }

  #abort(stream: number, error: unknown): void {
    this.#release(stream);
    const wire = wireErrorOf(error);
    if (wire.kind === 'internal') this.report(error);
    this.#send({ type: 'stream.abort', stream, error: wire });
  }

  #release(stream: number): void {
    const inbound = this.#inbound.get(stream);
    this.#inbound.delete(stream);
    inbound?.upload.abandon().catch(this.report);
    const outbound = this.#outbound.get(stream);
    this.#outbound.delete(stream);
    if (!outbound || outbound.closed) return;
    outbound.closed = true;
    outbound.file.close().catch(this.report);
  }
}
