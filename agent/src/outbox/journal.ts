/**
 * An append-only file of frames: `RMAOUT1\n`, then records of length (4 bytes), CRC-32 (4 bytes) and frame. A torn last
 * record is ignored. No fsync: the file has to survive this process, not a power cut.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync, writevSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { hasErrorCode } from '@rma/protocol/error';

const MAGIC = Buffer.from('RMAOUT1\n');
const HEADER_BYTES = 8;

/** The content of a journal file. */
export interface JournalContent {
  readonly frames: readonly Uint8Array[];
  /** Where and how the file is damaged; the frames after that place are lost. */
  readonly damage?: string;
}

export class Journal {
  #fd: number;
  #position: number;

  private constructor(
    private readonly path: string,
    fd: number,
    position: number,
  ) {
    this.#fd = fd;
    this.#position = position;
  }

  /** A file that does not exist reads as empty. */
  static read(path: string): JournalContent {
    let file: Buffer;
    try {
      file = readFileSync(path);
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return { frames: [] };
      throw error;
    }
    return parse(file);
  }

  /** Replaces the file by one with these frames, by rename, and opens it for appending. */
  static create(path: string, frames: readonly Uint8Array[]): Journal {
    const { fd, position } = createFile(path, frames);
    return new Journal(path, fd, position);
  }

  /** Size of the file. */
  get bytes(): number {
    return this.#position;
  }

  /** Appends all frames, or none. @throws the error of the file system */
  append(frames: readonly Uint8Array[]): void {
    const buffers = records(frames);
    const total = sizeOf(buffers);
    try {
      const written = writevSync(this.#fd, buffers, this.#position);
      if (written < total) throw new Error(`only ${written} of ${total} bytes could be written: the disk is full`);
    } catch (error) {
      this.#cut();
      throw error;
    }
    this.#position += total;
  }

  /** Replaces the content. @throws the error of the file system; the old content is then still there */
  rewrite(frames: readonly Uint8Array[]): void {
    if (frames.length === 0) {
      ftruncateSync(this.#fd, MAGIC.length);
      this.#position = MAGIC.length;
      return;
    }
    const { fd, position } = createFile(this.path, frames);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#position = position;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #cut(): void {
    try {
      ftruncateSync(this.#fd, this.#position);
    } catch (error) {
      // Not fatal: the partial record fails its checksum, and the next append overwrites it.
      if (!(error instanceof Error)) throw error;
    }
  }
}

function createFile(path: string, frames: readonly Uint8Array[]): { fd: number; position: number } {
  const fresh = `${path}.new`;
  const fd = openSync(fresh, 'w', 0o600);
  try {
    writeAll(fd, Buffer.concat([MAGIC, ...records(frames)]));
    renameSync(fresh, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, position: MAGIC.length + sizeOf(records(frames)) };
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
}

function records(frames: readonly Uint8Array[]): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (const frame of frames) {
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(frame.length, 0);
    header.writeUInt32BE(crc32(frame), 4);
    buffers.push(header, frame);
  }
  return buffers;
}

function sizeOf(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

function parse(file: Buffer): JournalContent {
  if (file.length < MAGIC.length) return { frames: [] };
  if (!file.subarray(0, MAGIC.length).equals(MAGIC))
    return { frames: [], damage: 'it is not an outbox of this version' };
  const frames: Uint8Array[] = [];
  let at = MAGIC.length;
  while (at + HEADER_BYTES <= file.length) {
    const length = file.readUInt32BE(at);
    const end = at + HEADER_BYTES + length;
    if (end > file.length) break;
    const frame = file.subarray(at + HEADER_BYTES, end);
    if (length === 0 || crc32(frame) !== file.readUInt32BE(at + 4)) {
      // Zeros to the end: a file system that lost its last write. No damage.
      if (file.subarray(at).every((byte) => byte === 0)) break;
      return { frames, damage: `the record at byte ${at} does not match its checksum` };
    }
    frames.push(frame);
    at = end;
  }
  return { frames };
}
